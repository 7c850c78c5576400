// What a confined server can read, write and reach: it tries. As root and as an ordinary user.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { LaunchPlan } from "../../../src/cage/launch-plan.ts";
import { attempt, landlockVersion, type Outcome, users } from "./attempts.ts";
import { confinedIdentity, confinedPlan } from "./plans.ts";
import { openScene, type Scene } from "./scene.ts";

/** What a shell line says when it got what it should not get. */
const GOT = "echo GOT THROUGH";

/** With the version of Landlock that can refuse it: what this kernel cannot refuse is not tried. */
const ATTACKS: Readonly<Record<string, { readonly script: string; readonly from: number }>> = {
  "read a file that was not granted": { script: `cat $SECRET && ${GOT}`, from: 1 },
  "write a file that was not granted": { script: `echo x > $SECRET && ${GOT}`, from: 1 },
  "read /etc/passwd": { script: `cat /etc/passwd && ${GOT}`, from: 1 },
  "list a directory that was not granted": { script: `ls / && ${GOT}; ls /tmp && ${GOT}`, from: 1 },
  "write to what may be read": { script: `echo x >> $READABLE/file && ${GOT}`, from: 1 },
  "make something where it may read": { script: `mkdir $READABLE/new && ${GOT}`, from: 1 },
  "remove what may be read": { script: `rm $READABLE/file && ${GOT}`, from: 1 },
  "empty what may be read": { script: `truncate -s 0 $READABLE/file && ${GOT}`, from: 3 },
  "run a program of its own making elsewhere": { script: `cp /bin/true /tmp/true-$$ && ${GOT}`, from: 1 },
  "make a link to what was not granted": {
    script: `ln $SECRET mine && ${GOT}; ln -s $SECRET to; cat to && ${GOT}`,
    from: 1,
  },
  "make a device": { script: `mknod disk b 254 0 && ${GOT}`, from: 1 },
  "read the environment of its launcher": { script: `cat /proc/$PPID/environ && ${GOT}`, from: 1 },
  "kill its launcher, or stop it": { script: `kill -0 $PPID && ${GOT}; kill -KILL $PPID && ${GOT}`, from: 6 },
  "kill a process of the same user": { script: `kill -0 $BYSTANDER && ${GOT}`, from: 6 },
  "connect to a port that was not granted": {
    script: `bash --norc -c 'read -r l < /dev/tcp/127.0.0.1/'$PORT && ${GOT}`,
    from: 4,
  },
  "have a capability": {
    script: `grep -E '^Cap(Prm|Eff|Inh|Amb)' /proc/self/status | grep -v 0000000000000000 && ${GOT}`,
    from: 1,
  },
  "gain privileges": { script: `grep -q 'NoNewPrivs:.0' /proc/self/status && ${GOT}`, from: 1 },
};

const version = landlockVersion();

const WORKS: Readonly<Record<string, { readonly script: string; readonly out: RegExp }>> = {
  "reads and writes its own directory": {
    script:
      "mkdir -p a b && echo x > a/y && mv a/y b/z && truncate -s 1 b/z && cat b/z && rm -r a b && stat -c %u . && id -u",
    out: /^x(\d+)\n\1\n$/,
  },
  "reads what it may read": { script: "cat $READABLE/file && ls $READABLE", out: /^granted\nbelow\nfile\n$/ },
  "uses the devices of its plan": { script: "echo x > /dev/null && echo well", out: /^well\n$/ },
  "connects to the port of its plan": {
    script: "bash --norc -c 'read -r l < /dev/tcp/127.0.0.1/'$GRANTED' && echo $l'",
    out: /^the host\n$/,
  },
  "signals what it has started": { script: "sleep 100 & kill $! && wait $!; echo $?", out: /^143\n$/ },
  "has descriptors and an environment of its own": {
    script: "ls /proc/self/fd | tr '\\n' ' '; env | grep -cE '^(PATH|GRANTED)='",
    out: /^0 1 2 3 2\n$/,
  },
};

describe.skipIf(version === 0).each(users().map((user) => [user.name, user] as const))(
  "as %s, a confined server (skipped where the kernel has no Landlock)",
  (_, user) => {
    let scene: Scene;
    let bystander: Bun.Subprocess;
    const hosts: Bun.TCPSocketListener[] = [];
    let outcomes = new Map<string, Outcome>();

    function plan(script: string): LaunchPlan {
      const base = confinedPlan(scene, user.uid, ["/bin/sh", "-c", script]);
      const [refused, granted] = hosts.map(({ port }) => port);
      return {
        ...base,
        env: {
          ...base.env,
          SECRET: scene.secret,
          READABLE: scene.readable,
          PORT: String(refused),
          GRANTED: String(granted),
          BYSTANDER: String(bystander.pid),
        },
        paths: [...base.paths, { path: scene.readable, access: "read" }],
        network: { kind: "ports", ports: version >= 4 && granted !== undefined ? [granted] : [] },
      };
    }

    beforeAll(async () => {
      const identity = confinedIdentity(user.uid);
      const owner = identity.kind === "own-uid" ? identity.uid : user.uid;
      scene = await openScene(user, owner);
      const asServer = process.getuid?.() === 0 ? { uid: owner, gid: owner } : {};
      bystander = Bun.spawn(["/bin/sleep", "1000"], { ...asServer, stdin: "ignore", stdout: "ignore" });
      const socket = { open: (client: Bun.Socket) => void client.end("the host\n"), data: () => undefined };
      for (let count = 0; count < 2; count++) {
        hosts.push(Bun.listen({ hostname: "127.0.0.1", port: 0, socket }));
      }
      const scripts = Object.entries({ ...ATTACKS, ...WORKS }).map(
        ([name, { script }]) => [name, script] as const,
      );
      const all =
        version === 0
          ? []
          : await attempt(
              user,
              scripts.map(([, script]) => plan(script)),
            );
      outcomes = new Map(all.map((outcome, index) => [scripts[index]?.[0] ?? "", outcome]));
    }, 60_000);
    afterAll(async () => {
      for (const host of hosts) host.stop(true);
      bystander.kill();
      await bystander.exited;
      scene.close();
    });

    const refusable = Object.entries(ATTACKS).filter(([, { from }]) => version >= from);
    test.each(refusable)("cannot %s", (name) => {
      const outcome = outcomes.get(name);
      expect(outcome).toMatchObject({ notes: [] });
      expect(outcome?.refused).toBeUndefined();
      expect(outcome?.out).not.toContain("GOT THROUGH");
    });

    test.each(Object.entries(WORKS))("%s", (name, { out }) => {
      const outcome = outcomes.get(name);
      expect(outcome?.refused).toBeUndefined();
      expect(outcome?.out).toMatch(out);
    });

    test("left what it may not write as it was", async () => {
      expect(bystander.exitCode).toBeNull();
      expect(await Bun.file(scene.secret).text()).toBe("secret\n");
      expect(await Bun.file(`${scene.readable}/file`).text()).toBe("granted\n");
    });
  },
);
