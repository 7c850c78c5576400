// cgroups-as-user.ts UID FILE…   enters the groups of these files, becomes that user, and does what an appliance does
// with control groups. Prints what it found as JSON. For cgroups.test.ts; bundled, because the user cannot read much.

import { writeFileSync } from "node:fs";
import { openCgroups } from "../../src/cage/cgroups.ts";
import { inGroup } from "./cgroup-group.ts";

const [id, ...files] = process.argv.slice(2);
for (const file of files) writeFileSync(file, "0");
process.setgroups?.([]);
process.setgid?.(Number(id));
process.setuid?.(Number(id));

const cgroups = await openCgroups({ name: "toolcrib-user" });
const group = cgroups.create("files", { memoryBytes: 64 * 1024 ** 2, processes: 32, cpus: 0.5 });
const child = inGroup(group, "sleep 60 & exec sleep 60");
const deadline = Date.now() + 10_000;
while ((group.usage().processes ?? 2) < 2 && Date.now() < deadline) await Bun.sleep(5);
const facts = group.facts();
const usage = group.usage();
const killed = await group.kill();
await child.exited;
const removed = await group.remove();
await cgroups.close();
console.log(JSON.stringify({ uid: process.getuid?.(), means: cgroups.means, facts, usage, killed, removed }));
