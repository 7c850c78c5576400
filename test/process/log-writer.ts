// A process that writes to a log file, for tests in which it is killed or its disk is full.
// log-writer.ts PATH        lines with a number, as fast as they are taken, until it is ended; one of stdout for each batch
// log-writer.ts PATH FILLER fills the disk, says TROUBLE, goes on, removes FILLER, writes one more line and ends

import { rmSync } from "node:fs";
import { LogFile } from "../../src/process/log-file.ts";
import { until } from "../e2e/wait.ts";

const [path = "", filler] = process.argv.slice(2);
const limits = {
  maxFileBytes: filler === undefined ? 4_000 : 1e9,
  linesPerWindow: 1e9,
  maxQueuedBytes: 50_000,
};
let now = Date.now();
const troubles: string[] = [];
const onTrouble = (sentence: string): void => {
  troubles.push(sentence);
  console.log(`TROUBLE ${sentence}`);
};
const file = new LogFile({ path, mask: (line) => line, onTrouble, now: () => now, limits });

const write = (number: number): void => file.push(Buffer.from(`line ${String(number).padStart(9, "0")}\n`));

if (filler === undefined) {
  for (let number = 1; ; number++) {
    write(number);
    if (number % 10 !== 0) continue;
    await file.tailOf(1);
    console.log(number);
  }
}

let number = 0;
while (troubles.length === 0) {
  write(++number);
  await file.tailOf(1);
}
const before = process.memoryUsage().rss;
for (let more = 0; more < 100_000; more++) write(++number);
console.log(`GREW ${process.memoryUsage().rss - before}`);
rmSync(filler);
now += 60_000;
file.push(Buffer.from("there is space again\n"));
await until("all of it is written", async () => (await file.tailOf(200)).includes("dropped"));
file.push(Buffer.from("the last line\n"));
await file.close();
console.log("END");
