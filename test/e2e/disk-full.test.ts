// A full disk while a package is added: a sentence, nothing half-made, and everything goes on when there is space.
// The home lies on a small file system of its own, mounted in a namespace that ends with the test.

import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Crib } from "./appliance.ts";
import { type FakeRegistry, registryEnv, registryOf, serverPackage } from "./packages.ts";
import { small } from "./servers.ts";

setDefaultTimeout(90_000);

// NB: root keeps its own user namespace: in another it would be a root without a uid to give to a server.
const NAMESPACES = process.getuid?.() === 0 ? "-m" : "-Urm";
const MOUNTS = ["unshare", NAMESPACES, "--propagation", "private"];
const canMount = Bun.spawnSync([...MOUNTS, "mount", "-t", "tmpfs", "none", "/mnt"], {
  stderr: "ignore",
}).success;
const SPACE = "12m";
const FILLER_BYTES = 24 << 20;

/** Verbs in order, each with its exit code and output between two lines. */
const SCRIPT = `
mount -t tmpfs -o size=${SPACE},mode=0700 none "$TOOLCRIB_HOME" || exit 1
"$BINARY" serve --listen 127.0.0.1:0 >"$LOG" 2>&1 &
appliance=$!
tries=0
until grep -q http://127 "$LOG"; do
  tries=$((tries + 1)); [ "$tries" -lt 200 ] || { cat "$LOG"; exit 1; }
  sleep 0.1
done
verb() { echo "=== $1"; shift; "$BINARY" "$@" 2>&1; echo "--- $?"; }
verb before add --yes --name kept ${small().join(" ")}
verb full add --yes npx filler-mcp
verb list ls --json
verb again add --yes npx tiny-mcp
verb call call tiny__greet
verb kept call kept__pong
echo "=== staging"; ls -A "$TOOLCRIB_HOME"/*/vault | grep staging; echo "--- $?"
kill $appliance; wait $appliance; echo "=== end"; echo "--- $?"
`;

let crib: Crib;
let registry: FakeRegistry;

beforeAll(async () => {
  crib = await Crib.create();
  const filler = await serverPackage("filler-mcp");
  const noise = randomBytes(FILLER_BYTES * 0.75).toString("base64");
  registry = await registryOf(await serverPackage("tiny-mcp"), {
    ...filler,
    files: { ...filler.files, noise },
  });
});
afterAll(async () => {
  await crib.nothingRuns();
  await registry.stop();
  await crib.remove();
});

test.skipIf(!canMount)(
  "a package that does not fit (skipped where this user cannot mount a tmpfs)",
  async () => {
    await mkdir(crib.home);
    const script = crib.file("full.sh");
    await writeFile(script, SCRIPT);
    const child = Bun.spawn([...MOUNTS, "sh", script], {
      cwd: crib.work,
      env: {
        ...crib.env(registryEnv(registry)),
        // mount, grep and sleep are not in the small PATH of the appliance.
        PATH: process.env["PATH"] ?? "",
        BINARY: join(crib.directory, "bin", "toolcrib"),
        LOG: crib.file("serve.log"),
      },
      stdout: "pipe",
      stderr: "inherit",
    });
    const steps = new Map<string, { code: number; output: string }>();
    for (const step of (await child.stdout.text()).split(/^=== /m).slice(1)) {
      const [, name = "", output = "", code = ""] = /^(\w+)\n([\s\S]*)--- (\d+)\n$/.exec(step) ?? [];
      steps.set(name, { code: Number(code), output });
    }
    await child.exited;

    expect(steps.get("before")).toMatchObject({ code: 0 });
    expect(steps.get("full")).toMatchObject({ code: 1, output: expect.stringMatching(/space|full/i) });
    expect(steps.get("list")?.output).not.toContain("filler");
    expect(steps.get("list")?.output).toContain('"kept"');
    expect(steps.get("again")).toMatchObject({ code: 0 });
    expect(steps.get("call")).toEqual({ code: 0, output: "hello from the package\n" });
    expect(steps.get("kept")).toMatchObject({ code: 0 });
    // grep found none.
    expect(steps.get("staging")).toEqual({ code: 1, output: "" });
    expect(steps.get("end")).toMatchObject({ code: 0 });
  },
);
