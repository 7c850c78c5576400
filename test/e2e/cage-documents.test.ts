// A cage that makes no sense is refused when it is added, with the place where it says so; nothing is changed by it. One
// that is switched off is shown as that, everywhere.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Appliance, Crib } from "./appliance.ts";
import { cageOf } from "./attack-report.ts";
import { small } from "./servers.ts";
import { serverNamesOf, serverOf } from "./views.ts";

setDefaultTimeout(60_000);

let crib: Crib;
let appliance: Appliance;

beforeAll(async () => {
  crib = await Crib.create();
  appliance = await crib.serve();
  await crib.ok("add", "--yes", "--name", "good", ...small());
});
afterAll(async () => {
  await appliance.stop();
  await crib.nothingRuns();
  await crib.remove();
});

/** A good server, and one whose cage has this line, which is the tenth. */
function documentWith(line: string): string {
  const [command, ...args] = small();
  return `{
  "mcpServers": {
    "another": ${JSON.stringify({ command, args })},
    "bad": {
      "command": ${JSON.stringify(command)},
      "args": ${JSON.stringify(args)},
      // What it may do:
      "cage": {
        "minimum": "confined",
        ${line}
      }
    }
  }
}
`;
}

describe("a document whose cage has", () => {
  const cases: Readonly<Record<string, { line: string; says: RegExp }>> = {
    "an unknown key": {
      line: '"netwrok": ["a.example:443"]',
      says: /"cage\.netwrok".*did you mean "network"/,
    },
    "a path that is not there": {
      line: '"read": ["/not/there"]',
      says: /"cage\.read\.0".*no "\/not\/there"/,
    },
    "a relative path": {
      line: '"write": ["somewhere"]',
      says: /"cage\.write\.0" has to be an absolute path/,
    },
    "the whole system": { line: '"read": ["/"]', says: /A grant of \/ would leave nothing of the cage/ },
    "the kernel's files": { line: '"write": ["/proc/sys"]', says: /"\/proc\/sys" is the kernel's/ },
    "a host without a port": {
      line: '"network": ["a.example"]',
      says: /"cage\.network\.0" is not host:port/,
    },
    "a host that does not parse": {
      line: '"network": ["a b:443"]',
      says: /"cage\.network\.0" is not host:port/,
    },
    "too little memory": { line: '"memoryBytes": 1048576', says: /"cage\.memoryBytes" is below 67108864/ },
    "too few processes": { line: '"processes": 2', says: /"cage\.processes" is below 16/ },
    "too little of a processor": { line: '"cpus": 0.01', says: /"cage\.cpus" is below 0\.05/ },
    "a mode that is none": { line: '"mode": "perhaps"', says: /"cage\.mode" has to be "on" or "off"/ },
    "a number that is text": { line: '"cpus": "2"', says: /"cage\.cpus" has to be number/ },
  };
  for (const [label, { line, says }] of Object.entries(cases)) {
    test(label, async () => {
      const added = await crib.run(["add", "--yes", "-"], { stdin: documentWith(line) });

      expect(added.code).toBe(2);
      expect(added.stderr).toMatch(says);
      expect(added.stderr).toMatch(/"stdin", line 10, bad:/);
      expect(await serverNamesOf(crib)).toEqual(["good"]);
    });
  }

  test("the appliance's own data", async () => {
    const line = `"read": [${JSON.stringify(crib.home)}]`;
    const added = await crib.run(["add", "--yes", "-"], { stdin: documentWith(line) });

    expect(added.code).toBe(2);
    expect(added.stderr).toMatch(/would show the appliance's own data/);
    expect(await serverNamesOf(crib)).toEqual(["good"]);
  });
});

describe("options of `add` with", () => {
  const cases: Readonly<Record<string, { options: readonly string[]; says: RegExp }>> = {
    "a path that is not there": { options: ["--read", "/not/there"], says: /no "\/not\/there"/ },
    "a host that does not parse": { options: ["--allow-host", "a.example"], says: /is not host:port/ },
    "too little memory": { options: ["--memory", "1MiB"], says: /is below 67108864/ },
    "a size that is none": { options: ["--memory", "much"], says: /--memory wants a size/ },
    "too few processes": { options: ["--processes", "3"], says: /is below 16/ },
    "no processor": { options: ["--cpus", "0"], says: /is below 0\.05/ },
    "a minimum that is no level": { options: ["--minimum", "off"], says: /"isolated" or "confined"/ },
    "a cage that is neither on nor off": { options: ["--cage", "maybe"], says: /"on" or "off"/ },
  };
  for (const [label, { options, says }] of Object.entries(cases)) {
    test(label, async () => {
      const added = await crib.run(["add", "--yes", "--name", "bad", ...options, ...small()]);

      expect(added.code).toBe(2);
      expect(added.stderr).toMatch(says);
      expect(await serverNamesOf(crib)).toEqual(["good"]);
    });
  }
});

test("a grant that makes no sense changes nothing, and stops nobody", async () => {
  const { pid } = await serverOf(crib, "good");
  for (const grant of ["/not/there", "a.example", "/", crib.home]) {
    const allowed = await crib.run(["allow", "good", grant]);
    expect({ grant, code: allowed.code }).toEqual({ grant, code: 2 });
  }
  const { read, write, network } = await cageOf(crib, "good");
  expect([read, write, network]).toEqual([[], [], []]);
  expect((await serverOf(crib, "good")).pid).toBe(pid ?? -1);
});

test("a cage that is off is shown as OFF, with nothing enforced", async () => {
  await crib.ok("add", "--yes", "--name", "free", "--cage", "off", ...small());

  expect(await crib.ok("show", "free")).toMatch(/^cage\s+OFF/m);
  expect(await crib.ok("cage", "free")).toMatch(/^cage\s+OFF/m);
  expect(await crib.ok("ls")).toMatch(/^free\s+\w+\s+OFF/m);
  expect(await crib.ok("ls")).not.toMatch(/^good\s+\w+\s+OFF/m);
  const { report, mode } = await cageOf(crib, "free");
  expect({ mode, requested: report?.requested, level: report?.level }).toEqual({
    mode: "off",
    requested: "off",
    level: "off",
  });
  expect(report?.axes.filter(({ enforced }) => enforced === "yes")).toEqual([]);
  // It has no limits, and may reach what its user may.
  expect(await crib.ok("cage", "free")).not.toMatch(/^reaches\s+nothing|^limits\s+\d/m);
  // It takes something all the same.
  expect(await crib.ok("show", "free")).not.toMatch(/^uses\s.*\b0 processes/m);
  await crib.ok("rm", "free");
});
