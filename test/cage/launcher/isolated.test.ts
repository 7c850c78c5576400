// What an isolated server can see, do and reach: it tries. As root and as an ordinary user.

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { LaunchPlan } from "../../../src/cage/launch-plan.ts";
import { attempt, isolationObstacle, type Outcome, users } from "./attempts.ts";
import { bind, isolatedPlan } from "./plans.ts";
import { openScene, type Scene } from "./scene.ts";

/** What a shell line says when it got what it should not get. */
const GOT = "echo GOT THROUGH";

const ATTACKS: Readonly<Record<string, string>> = {
  "read a file that was not granted": `cat $SECRET && ${GOT}`,
  "write a file that was not granted": `[ -e $SECRET ] && ${GOT}; echo changed > $SECRET`,
  "read /etc/shadow": `cat /etc/shadow && ${GOT}`,
  "see what a host has beside its system": `for d in root home run sys var mnt srv opt boot; do [ -e /$d ] && ${GOT}; done`,
  "write to the system": `echo x > /usr/written && ${GOT}`,
  "write to the root": `mkdir /written && ${GOT}`,
  "write among devices": `echo x > /dev/written && ${GOT}`,
  "write to a file of the plan": `echo x > /etc/hostname && ${GOT}`,
  "write to what may be read": `echo x > $READABLE/file && ${GOT}; echo x > $READABLE/new && ${GOT}`,
  "make what may be read writable": `mount -o remount,rw $READABLE && ${GOT}`,
  mount: `mount -t tmpfs none /tmp && ${GOT}`,
  unmount: `umount /usr && ${GOT}; umount -l /proc && ${GOT}`,
  "change the root": `chroot /usr /bin/true && ${GOT}`,
  "make a device": `mknod /tmp/disk b 254 0 && ${GOT}`,
  "fill the memory by way of /tmp": `head -c 2000000 /dev/zero > /tmp/much && ${GOT}`,
  "fill the memory by way of /dev/shm": `head -c 2000000 /dev/zero > /dev/shm/much && ${GOT}`,
  "fill the memory with empty files": `i=0; while : > /tmp/$i; do i=$((i+1)); [ $i -gt 3000 ] && ${GOT} && break; done`,
  "see a process of the host": `set -- /proc/[0-9]*; [ $# -gt 2 ] && ${GOT}`,
  "read the environment of process 1": `cat /proc/1/environ && ${GOT}`,
  "go through the root of process 1": `ls /proc/1/root/ && ${GOT}; ls /proc/1/cwd/ && ${GOT}; ls /proc/1/fd && ${GOT}`,
  "learn where process 1 comes from": `grep -qa / /proc/1/cmdline && ${GOT}; readlink /proc/1/exe && ${GOT}`,
  "set the host name": `hostname other && ${GOT}; echo other > /proc/sys/kernel/hostname && ${GOT}`,
  "change the kernel": `echo 1 > /proc/sys/vm/drop_caches && ${GOT}; echo b > /proc/sysrq-trigger && ${GOT}`,
  "change its network": `echo 1 > /proc/sys/net/ipv4/ip_forward && ${GOT}; ip link set lo down && ${GOT}`,
  "see a network of the host": `grep : /proc/net/dev | grep -v lo: && ${GOT}`,
  "reach a port of the host": `bash -c 'read -r line < /dev/tcp/127.0.0.1/'$PORT && ${GOT}`,
  "reach an address of the world": `bash -c 'exec 3<>/dev/tcp/192.0.2.1/80' && ${GOT}`,
  "become another user": `setpriv --reuid=0 true && ${GOT}; setpriv --clear-groups true && ${GOT}`,
  "have a capability": `grep -E '^Cap' /proc/self/status | grep -v 0000000000000000 && ${GOT}`,
  "gain privileges": `grep -q 'NoNewPrivs:.0' /proc/self/status && ${GOT}`,
  "find a mount that honours setuid, or devices where none belong": `grep -v nosuid /proc/mounts && ${GOT}; grep -v nodev /proc/mounts | grep -vE '^[^ ]+ /dev[ /]' && ${GOT}`,
  "raise a limit": `ulimit -Hc unlimited && ${GOT}`,
  "see shared memory of the host": `[ $(wc -l < /proc/sysvipc/shm) -gt 1 ] && ${GOT}`,
};

const WORKS: Readonly<Record<string, { readonly script: string; readonly out: RegExp }>> = {
  "is alone with process 1, which none of its signals ends": {
    script: "for s in KILL STOP TERM USR1 INT HUP SEGV; do kill -$s 1; done; echo $PPID; echo alive",
    out: /^1\nalive\n$/,
  },
  "has its own directory, and owns it": {
    script: "echo x > y && cat y && stat -c %u . y && id -u && id -g",
    out: /^x\n(\d+)\n\1\n\1\n\1\n$/,
  },
  "has a /tmp": { script: "echo x > /tmp/y && cat /tmp/y", out: /^x\n$/ },
  "reads what it may read": {
    script: "cat $READABLE/file /etc/hostname && ls /",
    out: /^granted\ncage\n(bin\n)?dev\netc\n/,
  },
  "has its host name": { script: "hostname; cat /proc/sys/kernel/hostname", out: /^cage\ncage\n$/ },
  "has devices": {
    script:
      "head -c 4 /dev/urandom | wc -c; echo x > /dev/null; head -c 2 /dev/zero | wc -c; echo x | tee /dev/full; echo y | cat /dev/stdin",
    out: /^4\n2\nx\ny\n$/,
  },
  "has terminals of its own": {
    script: "script -qec tty /dev/null < /dev/null",
    out: /^\/dev\/pts\/0\r?\n$/,
  },
  "has the environment and descriptors that it was given": {
    script: "env | grep -vE '^(PWD|_|SHLVL|OLDPWD|READABLE|SECRET|PORT)='; ls /proc/self/fd | tr '\\n' ' '",
    out: /^PATH=\/usr\/bin:\/bin\n0 1 2 3 $/,
  },
  "has signals as they are by default": {
    script: "grep -E '^Sig(Blk|Ign)' /proc/self/status",
    out: /^SigBlk:\t0+\nSigIgn:\t0+\n$/,
  },
  "sees control groups from its own on": { script: "cut -d: -f3 /proc/self/cgroup | sort -u", out: /^\/\n$/ },
  "leads a session": { script: "ps -o pid=,sid= $$ | tr -s ' '", out: /^ (\d+) \1\n$/ },
};

for (const user of users()) {
  const obstacle = isolationObstacle(user);
  if (obstacle !== undefined) console.log(`not tried as ${user.name}: ${obstacle}`);
}
const able = users().filter((user) => isolationObstacle(user) === undefined);

describe.each(able.map((user) => [user.name, user] as const))("as %s, an isolated server", (_, user) => {
  let scene: Scene;
  let host: Bun.TCPSocketListener | undefined;
  let outcomes = new Map<string, Outcome>();

  function plan(script: string): LaunchPlan {
    const base = isolatedPlan(scene, user.uid, ["/bin/sh", "-c", script]);
    return {
      ...base,
      env: { ...base.env, SECRET: scene.secret, READABLE: scene.readable, PORT: String(host?.port) },
      mounts: [...base.mounts, bind(scene.readable)],
      rlimits: [{ resource: "core", value: 0 }],
    };
  }

  beforeAll(async () => {
    scene = await openScene(user);
    const socket = { open: (client: Bun.Socket) => void client.end("the host\n"), data: () => undefined };
    host = Bun.listen({ hostname: "127.0.0.1", port: 0, socket });
    const scripts = [
      ...Object.entries(ATTACKS),
      ...Object.entries(WORKS).map(([name, { script }]) => [name, script] as const),
    ];
    const all = await attempt(
      user,
      scripts.map(([, script]) => plan(script)),
    );
    outcomes = new Map(all.map((outcome, index) => [scripts[index]?.[0] ?? "", outcome]));
  }, 60_000);
  afterAll(() => {
    host?.stop(true);
    scene.close();
  });

  test.each(Object.keys(ATTACKS))("cannot %s", (name) => {
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

  test("left nothing on the host: no file, no mount", async () => {
    expect(await Bun.file(`${scene.work}/y`).text()).toBe("x\n");
    expect(await Bun.file(scene.secret).text()).toBe("secret\n");
    expect([...new Bun.Glob("**/*written").scanSync({ cwd: scene.root, onlyFiles: false })]).toEqual([]);
    expect(await Bun.file("/proc/mounts").text()).not.toContain(scene.root);
  });
});
