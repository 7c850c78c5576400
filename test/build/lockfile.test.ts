// The lockfile is what `npm ci` installs on any machine. npm leaves an optional package out of it when its registry
// does not have that one at the time, and refuses the file afterwards: a clone could not be built.

import { expect, test } from "bun:test";
import { join } from "node:path";
import * as v from "valibot";

const Versions = v.record(v.string(), v.string());
const Entry = v.object({
  version: v.optional(v.string()),
  optionalDependencies: v.optional(Versions, {}),
});
const Lockfile = v.object({ packages: v.record(v.string(), Entry) });
const Manifest = v.object({ dependencies: Versions, devDependencies: Versions });

const root = join(import.meta.dir, "../..");
const { packages } = v.parse(Lockfile, await Bun.file(join(root, "package-lock.json")).json());
const manifest = v.parse(Manifest, await Bun.file(join(root, "package.json")).json());

test("has every optional package that a package of it names, for every platform", () => {
  const missing = Object.entries(packages).flatMap(([path, { optionalDependencies }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !(`node_modules/${name}` in packages) && !(`${path}/node_modules/${name}` in packages),
    ),
  );
  expect(missing).toEqual([]);
});

test("and the manifest names exact versions, those of the lockfile", () => {
  for (const [name, version] of Object.entries({ ...manifest.dependencies, ...manifest.devDependencies })) {
    expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(packages[`node_modules/${name}`]?.version).toBe(version);
  }
});
