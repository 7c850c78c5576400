// The whole command line on one screen: each verb, its words and its options. What a verb does is in a file of its
// group, which is loaded when the verb is asked for, so that no verb pays for another.

import { Command, type OptionValues, Option } from "commander";
import { BUILD } from "../build-info.ts";
import { SETTING_NAMES } from "../settings.ts";
import type { AddOptions } from "./add-request.ts";
import type { BundleOptions, LoadOptions } from "./bundles.ts";
import type { AllowOptions } from "./cage.ts";
import type { CallerOptions } from "./tools.ts";
import { type Context, createContext, type Host } from "./context.ts";
import type { UpdateOptions } from "./packages.ts";
import type { TokenOptions } from "./token.ts";
import { findVerb } from "./usage.ts";

export interface Program {
  readonly command: Command;
  /** What the parser itself had to print: help and version. */
  readonly output: () => string;
  /** Of the verb that ran. */
  readonly exitCode: () => number;
}

/** Does the work and answers with the exit code; nothing means 0. */
type Action<O> = (context: Context, words: readonly string[], options: O) => Promise<number | void>;

const ADD_HELP = `
Options come first: from the first other word on, all belongs to the server.

  toolcrib add @modelcontextprotocol/server-everything
  toolcrib add --name files npx -y @modelcontextprotocol/server-filesystem /srv/docs
  toolcrib add --env API_KEY=... uvx mcp-server-fetch
  toolcrib add https://mcp.example.com/mcp
  toolcrib add mcp.json
  toolcrib add --answer api_key=... notes.mcpb`;

const FOOT = `
Options may also be settings, such as --listen: "toolcrib help serve" lists them.
Exit codes: 0 ok, 1 failed, 2 usage, 3 appliance unreachable, 4 denied, 5 conflict,
            78 bad configuration, 130 interrupted.`;

export function buildProgram(host: Host, commandLine: readonly string[]): Program {
  let output = "";
  let exitCode = 0;
  const program = new Command("toolcrib")
    .description("Runs MCP servers and hands their tools to agents through one URL.")
    .usage("<verb> [options]")
    .version(BUILD.version, "--version", "Print the version")
    .helpOption("-h, --help", "Print help")
    .helpCommand(false)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => (output += text),
      writeErr: (text) => (output += text),
      outputError: () => {},
      getOutHelpWidth: () => host.terminal.columns ?? 80,
      getErrHelpWidth: () => host.terminal.columns ?? 80,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .configureHelp({ subcommandTerm: (command) => [command.name(), termOf(command)].join(" ").trim() })
    .addHelpText("after", FOOT);

  const act = <O extends OptionValues>(action: Action<O>) =>
    async function (this: Command): Promise<void> {
      const given = this.optsWithGlobals();
      const context = createContext(host, { json: given["json"] === true, flags: settingsIn(given) });
      exitCode = (await action(context, this.args, this.opts<O>())) ?? 0;
    };

  program.commandsGroup("Appliance:");
  program
    .command("serve")
    .description("Run the appliance in the foreground")
    .action(act(async (context) => (await import("./serve.ts")).serve(context)));
  program
    .command("setup-url")
    .description("One-time URL for the first administrator (comes with the console)")
    .action(act(async (context) => (await import("./serve.ts")).setupUrl(context)));
  program
    .command("doctor")
    .description("What this host can enforce, what is missing, what mends it")
    .action(act(async (context) => (await import("./doctor.ts")).doctor(context)));
  program
    .command("settings")
    .description("Every setting, its value and where it came from")
    .action(act(async (context) => (await import("./about.ts")).settings(context)));
  program
    .command("version")
    .description("Version, commit and build")
    .action(act(async (context) => (await import("./about.ts")).version(context)));

  program.commandsGroup("Servers:");
  program
    .command("add")
    .description("Add servers: a package, a command line, a URL, a file or - for stdin")
    .argument("<anything...>", "What runs the server, or where it is, or a file that says so")
    .passThroughOptions()
    .option("-y, --yes", "Do not ask")
    .option("--name <name>", "Name of the server, instead of one from its package")
    .option("--env <K=V>", "Environment variable of the server (may be repeated)", collect)
    .option("--read <path>", "What it may read (may be repeated)", collect)
    .option("--write <path>", "What it may read and write (may be repeated)", collect)
    .option("--allow-host <host:port>", "What it may reach (may be repeated)", collect)
    .option("--cage <on|off>", "off runs it with all rights of the appliance's user")
    .option("--minimum <level>", "isolated, or confined to accept a weaker cage")
    .option("--memory <size>", "Memory that it may use, such as 512MiB (default: 1GiB)")
    .option("--processes <count>", "Processes and threads that it may have (default: 256)")
    .option("--cpus <count>", "Processors' worth of time (default: 2)")
    .option("--learn", "Let it reach what it asks for and write that down")
    .option(
      "--allow-scripts <package>",
      "Let it run its install scripts, or be built (may be repeated)",
      collect,
    )
    .option("--isolation <kind>", "One process for all (shared), per caller or per session")
    .option("--instances <count>", "Processes at once at most, for a shared server")
    .option(
      "--answer <name=value>",
      "What its author asks, for a bundle or server.json (may be repeated)",
      collect,
    )
    .option("--sha256 <hex>", "The hash that an MCP bundle has to have")
    .option("--start-timeout <time>", "For the start and its handshake: 60, 90s, 5m")
    .option("--call-timeout <time>", "For one call: 60, 90s, 5m")
    .option("--replace", "Take the place of a server of the same name")
    .addHelpText("after", ADD_HELP)
    .action(act<AddOptions>(async (...given) => (await import("./add.ts")).add(...given)));
  program
    .command("ls")
    .description("List the servers")
    .action(act(async (context) => (await import("./servers.ts")).list(context)));
  for (const [verb, description] of [
    ["show", "Everything about one server"],
    ["rm", "Stop and remove a server"],
    ["enable", "Let a server run"],
    ["disable", "Stop a server and keep it stopped"],
    ["restart", "Stop a server, forget its crashes, start it"],
  ] as const) {
    program
      .command(verb)
      .description(description)
      .argument("<server>", "Name of the server")
      .action(act(async (context, [name = ""]) => (await import("./servers.ts"))[verb](context, name)));
  }
  program
    .command("update")
    .description("Newer versions: what they would change, then the switch")
    .argument("[server...]", "Names of servers, instead of all that run a package")
    .option("--check", "Only say what is newer")
    .option("-y, --yes", "Do not ask")
    .action(act<UpdateOptions>(async (...given) => (await import("./packages.ts")).update(...given)));
  program
    .command("rollback")
    .description("Back to the version before the last update")
    .argument("<server>", "Name of the server")
    .action(act(async (context, [name = ""]) => (await import("./packages.ts")).rollback(context, name)));
  const bundle = program
    .command("bundle")
    .description("Carry servers to a host that reaches no registry")
    .usage("<server...> [options] | load <file> [options]")
    .helpCommand(false)
    .argument("<server...>", "Names of servers that run a package")
    .option("-o, --output <file>", "Where to write it, - for stdout")
    .action(act<BundleOptions>(async (...given) => (await import("./bundles.ts")).bundle(...given)));
  bundle
    .command("load")
    .description("Take a bundle into the vault, then add its servers")
    .argument("<file>", "What toolcrib bundle wrote")
    .option("-y, --yes", "Do not ask")
    .option("--env <K=V>", "A variable that was not carried (may be repeated)", collect)
    .option("--replace", "Take the place of servers of the same names")
    .action(
      act<LoadOptions>(async (context, [file = ""], options) =>
        (await import("./bundles.ts")).load(context, file, options),
      ),
    );
  program
    .command("cage")
    .description("What a server's cage enforces, with evidence, and what it refused")
    .argument("<server>", "Name of the server")
    .option("--evidence", "Every fact that was found, by the probe and in /proc")
    .action(
      act<{ evidence?: boolean }>(async (context, [name = ""], options) =>
        (await import("./cage.ts")).cage(context, name, options),
      ),
    );
  program
    .command("allow")
    .description("Widen a server's cage by a grant")
    .argument("<server>", "Name of the server")
    .argument("[grant...]", "host:port, or an absolute path")
    .option("--write", "Paths may be written, too")
    .option("--learned", "All that it asked for while it learned, and end that")
    .action(
      act<AllowOptions>(async (context, words, options) =>
        (await import("./cage.ts")).allow(context, words, options),
      ),
    );
  program
    .command("logs")
    .description("Print what a server wrote to its stderr")
    .argument("<server>", "Name of the server")
    .option("-f, --follow", "Go on with what comes")
    .action(
      act<{ follow?: boolean }>(async (context, [name = ""], { follow = false }) =>
        (await import("./logs.ts")).logs(context, name, follow),
      ),
    );
  program
    .command("shell")
    .description("A terminal, or one command, in a server's cage")
    .argument("<server>", "Name of the server")
    .argument("[words...]", "A command to run instead of a shell, after --")
    .passThroughOptions()
    .action(act(async (context, words) => (await import("./shell.ts")).shell(context, words)));

  program.commandsGroup("Tools:");
  program
    .command("tools")
    .description("List the tools that a caller sees")
    .option("--as <token>", "The caller: name of a token, instead of one that may use all")
    .action(
      act<CallerOptions>(async (context, _, options) => (await import("./tools.ts")).tools(context, options)),
    );
  program
    .command("call")
    .description("Call a tool and print its text")
    .argument("<tool>", "Name of the tool, as tools lists it")
    .argument("[json]", "Its arguments, or - for stdin")
    .option("--as <token>", "The caller: name of a token, instead of one that may use all")
    .action(act<CallerOptions>(async (...given) => (await import("./call.ts")).call(...given)));

  program.commandsGroup("Access:");
  const token = program
    .command("token")
    .description("Tokens of agents: create, ls, revoke")
    .usage("<create|ls|revoke> [options]")
    .helpCommand(false);
  token
    .command("create")
    .description("Make a token and print it, this once")
    .argument("<name>", "Who will carry it")
    .option("--server <server>", "A server that it may use, instead of all (may be repeated)", collect)
    .option("--expires <time>", "When it ends: 90d, 12h")
    .action(
      act<TokenOptions>(async (context, [name = ""], options) =>
        (await import("./token.ts")).create(context, name, options),
      ),
    );
  token
    .command("ls")
    .description("List the tokens")
    .action(act(async (context) => (await import("./token.ts")).list(context)));
  token
    .command("revoke")
    .description("End a token at once")
    .argument("<name>", "Name or id of the token")
    .action(act(async (context, [name = ""]) => (await import("./token.ts")).revoke(context, name)));

  program.commandsGroup("Help:");
  program
    .command("completion")
    .description("Print what makes a shell complete toolcrib's words")
    .argument("<shell>", "bash, zsh or fish")
    .action(act(async (context, [shell = ""]) => (await import("./completion.ts")).script(context, shell)));
  program
    .command("help")
    .description("Print help, of a verb or of all")
    .argument("[verb...]", "The verb, such as: token create")
    .action(act(async (_, words) => findVerb(program, words).outputHelp()));
  program
    .command("complete", { hidden: true })
    .argument("[words...]")
    .passThroughOptions()
    .action(
      act(async (context, words) => (await import("./completion.ts")).complete(context, program, words)),
    );

  addGlobalOptions(program, commandLine);
  return { command: program, output: () => output, exitCode: () => exitCode };
}

/**
 * The options that go with every verb, before it or after it; only `serve` lists all of them. NB: to make them for all
 * 22 verbs costs more than all else that a short verb does, so only those have them that the command line mentions.
 */
function addGlobalOptions(command: Command, commandLine: readonly string[]): void {
  command.option("--json", "Print results as JSON");
  for (const { key, flag, help, fallback } of SETTING_NAMES) {
    const value = key === "home" ? "directory" : "value";
    const text = fallback === "" ? help : `${help} (default: ${fallback})`;
    const isListed = key === "home" || command.name() === "serve";
    command.addOption(new Option(`${flag} <${value}>`, text).hideHelp(!isListed));
  }
  for (const child of command.commands)
    if (commandLine.includes(child.name())) addGlobalOptions(child, commandLine);
}

function settingsIn(given: OptionValues): Record<string, string> {
  const flags: Record<string, string> = {};
  for (const { key } of SETTING_NAMES) {
    const value: unknown = given[key];
    if (typeof value === "string") flags[key] = value;
  }
  return flags;
}

function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

function termOf(command: Command): string {
  return command.registeredArguments
    .map((argument) => {
      const name = argument.variadic ? `${argument.name()}...` : argument.name();
      return argument.required ? `<${name}>` : `[${name}]`;
    })
    .join(" ");
}
