// Compiles the one executable: src/main.ts → dist/toolcrib, and nothing else in dist. `npm run build` calls it through
// scripts/bun.sh, `sh scripts/bun.sh scripts/build.ts [ENTRY [OUTFILE]]` builds something else in the same way.

import { mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import manifest from "../package.json" with { type: "json" };

// docs/decisions.md says why each is there. Without the two last ones a bunfig.toml or .env of the directory that
// the executable is started in would run code, or set variables, before the first line of main.ts.
const FLAGS = [
  "--compile",
  "--production",
  "--minify",
  "--sourcemap",
  "--bytecode",
  "--splitting",
  "--format=esm",
  "--no-compile-autoload-bunfig",
  "--no-compile-autoload-dotenv",
];

const root = resolve(import.meta.dir, "..");
const entry = resolve(Bun.argv[2] ?? join(root, "src/main.ts"));
const outfile = resolve(Bun.argv[3] ?? join(root, "dist/toolcrib"));

// NB: an interrupted `bun build` leaves a copy of itself in its working directory, so that is a directory of its own,
// beside the outfile: the last step is then a rename, which replaces an executable that is running just now.
const workdir = join(dirname(outfile), `.build-${process.pid}`);

/** What src/build-info.ts reads; each becomes a constant of the program. */
function constants(): readonly string[] {
  const values = {
    TOOLCRIB_VERSION: manifest.version,
    TOOLCRIB_COMMIT: commit(),
    TOOLCRIB_FLAGS: FLAGS.join(" "),
  };
  return Object.entries(values).flatMap(([name, value]) => ["--define", `${name}=${JSON.stringify(value)}`]);
}

/** The commit that is checked out, with `-dirty` for changes beside it; `unknown` outside a clone or without git. */
function commit(): string {
  const hash = git("rev-parse", "--short=12", "HEAD");
  if (hash === undefined) return "unknown";
  return git("status", "--porcelain") === "" ? hash : `${hash}-dirty`;
}

function git(...args: readonly string[]): string | undefined {
  if (Bun.which("git") === null) return undefined;
  // The clone may belong to another user than the one who builds (root, say).
  const { exitCode, stdout } = Bun.spawnSync(["git", "-c", "safe.directory=*", ...args], {
    cwd: root,
    stderr: "ignore",
  });
  return exitCode === 0 ? stdout.toString().trim() : undefined;
}

async function build(): Promise<number> {
  const program = join(workdir, basename(outfile));
  const compiler = Bun.spawn(
    [process.execPath, "build", ...FLAGS, ...constants(), entry, "--outfile", program],
    {
      cwd: workdir,
      // NB: the caller's NODE_ENV would be frozen into the program in spite of --production.
      env: { ...process.env, NODE_ENV: "production" },
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => compiler.kill(signal));
  const talk = await new Response(compiler.stdout).text();
  const exitCode = await compiler.exited;
  if (exitCode !== 0) {
    process.stderr.write(talk);
    return exitCode;
  }
  renameSync(program, outfile);
  console.log(`${outfile}: ${(Bun.file(outfile).size / 1e6).toFixed(1)} MB`);
  return 0;
}

mkdirSync(workdir, { recursive: true });
try {
  process.exitCode = await build();
} finally {
  rmSync(workdir, { recursive: true, force: true });
}
