// What a cage lets out: exactly what it was granted, to programs that know nothing of a proxy; what it does not let out
// is shown with the command that allows it, and works after that command.

import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { because, lacking, obstacleTo, uidOf } from "./attack-host.ts";
import { axisOf } from "./attack-report.ts";
import { AttackScene } from "./attack-scene.ts";
import { GREETING, openServices } from "./attack-services.ts";
import { LEVELS, USERS } from "./attack-table.ts";
import { textOf } from "./views.ts";

setDefaultTimeout(60_000);

const MISSING = lacking(LEVELS, []);
if (MISSING !== "") console.log(MISSING);

/** Programs that ignore variables for proxies, or have none here. */
const PROGRAMS = ["/usr/bin/curl", "/usr/bin/python3", "/usr/bin/node"];

let web: Bun.Server<undefined>;
/** At another address of this host, on the very port that is granted for one. */
let elsewhere: Bun.Server<undefined>;
let asked: string[] = [];

beforeAll(() => {
  const fetch = (request: Request): Response => {
    asked.push(request.headers.get("host") ?? "");
    return new Response(`hello ${request.headers.get("host")}`);
  };
  web = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch });
  elsewhere = Bun.serve({ hostname: "127.0.0.2", port: web.port ?? 0, fetch });
});
afterAll(async () => {
  await web.stop(true);
  await elsewhere.stop(true);
});

for (const user of USERS) {
  const obstacle = obstacleTo("isolated", user);
  describe.skipIf(obstacle !== undefined)(`isolated as ${user}${because(obstacle)}`, () => {
    let scene: AttackScene;
    let granted: string;

    beforeAll(async () => {
      scene = await AttackScene.open({ uid: uidOf(user) });
      granted = `localhost:${web.port}`;
      await scene.add("attacker", "--allow-host", granted);
      asked = [];
    });
    afterAll(() => scene.close());

    test("a host that is granted by name, without variables for a proxy", async () => {
      for (const name of ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"]) {
        expect(await scene.attempt("attacker", `environment ${name}`)).toBe("ok");
      }
      expect(await scene.attempt("attacker", `get http://${granted}/`)).toBe(`ok 200 hello ${granted}`);
    });
    for (const program of PROGRAMS) {
      const missing = existsSync(program) ? undefined : `no ${program}`;
      test.skipIf(missing !== undefined)(`the same by ${program}${because(missing)}`, async () => {
        expect(await scene.attempt("attacker", `get-by ${program} http://${granted}/`)).toBe(
          `ok hello ${granted}`,
        );
      });
    }
    test("and by the proxy of the cage, for those that want one", async () => {
      expect(await scene.attempt("attacker", `tunnel 127.0.0.1:3128 ${granted}`)).toBe("ok");
    });

    const others: Readonly<Record<string, { words: string; comesTo: string; listed?: string }>> = {
      "another address on that port": {
        words: "get http://127.0.0.2:{granted}/",
        comesTo: "ECONNRESET",
        listed: "127.0.0.2:{granted}",
      },
      "another address on that port, by the proxy": {
        words: "tunnel 127.0.0.1:3128 127.0.0.2:{granted}",
        comesTo: "403",
        listed: "127.0.0.2:{granted}",
      },
      "another name inside of a connection to it": {
        words: "get http://localhost:{granted}/ inner.example",
        comesTo: "ECONNRESET",
        listed: "inner.example:{granted}",
      },
      "another port of it": { words: "reach {tcp}", comesTo: "ECONNREFUSED" },
      "a name": {
        words: "get http://name.example:{granted}/",
        comesTo: "ENOTFOUND",
        listed: "name.example",
      },
      "a public address": {
        words: "reach 192.0.2.1:{granted}",
        comesTo: "ECONNRESET",
        listed: "192.0.2.1:{granted}",
      },
      "that port by UDP": { words: "datagram 127.0.0.1:{granted}", comesTo: "silence" },
      "that port by IPv6": { words: "reach 2001:db8::1:{granted}", comesTo: "ECONNREFUSED" },
    };
    for (const [label, { words, comesTo, listed }] of Object.entries(others)) {
      test(`not ${label}`, async () => {
        scene.targets.set("granted", String(web.port));
        asked = [];

        expect(await scene.attempt("attacker", words)).toBe(comesTo);

        expect(asked).toEqual([]);
        if (listed === undefined) return;
        const { refused } = await scene.cage("attacker");
        expect(refused.map(({ what }) => what)).toContain(scene.filledIn(listed));
      });
    }

    test("what hands out credentials is refused, and no command is offered", async () => {
      for (const where of ["169.254.169.254:80", "100.100.100.200:443"]) {
        expect(await scene.attempt("attacker", `reach ${where}`)).toBe("ECONNRESET");
        const { refused } = await scene.cage("attacker");
        const attempt = refused.find(({ what }) => what === where);
        expect(attempt?.reason).toMatch(/metadata/);
        expect(attempt?.grant).toBeUndefined();
      }
    });

    test("refused: said in the tool's error, by `show` and `cage`, and in the log; allowed: it works", async () => {
      const words = `get http://127.0.0.2:${web.port}/`;
      await scene.add("asking", "--allow-host", granted);
      asked = [];

      const { error } = await (await scene.agent()).call("asking__fail", { words });
      const [command = ""] = /toolcrib allow asking \S+/.exec(error?.message ?? "") ?? [];
      expect(command).toBe(`toolcrib allow asking 127.0.0.2:${web.port}`);
      expect(await scene.crib.ok("show", "asking")).toContain(command);
      expect(await scene.crib.ok("cage", "asking")).toContain(command);
      expect(scene.appliance.output).toMatch(
        /a cage refused a connection.*"server":"asking".*"127\.0\.0\.2:/,
      );
      expect(asked).toEqual([]);

      await scene.crib.ok(...command.split(" ").slice(1));
      expect(await scene.attempt("asking", words)).toBe(`ok 200 hello 127.0.0.2:${web.port}`);
      // Nothing else came with it.
      expect(await scene.attempt("asking", `reach 192.0.2.1:${web.port}`)).toBe("ECONNRESET");
      expect(await scene.attempt("attacker", words)).toBe("ECONNRESET");
    });

    test("a name that was looked up is refused the same way, with a guess at the port", async () => {
      const { error } = await (await scene.agent()).call("attacker__fail", { words: "resolve ask.example" });
      expect(error?.message).toContain("toolcrib allow attacker ask.example:443");
      expect(await scene.crib.ok("show", "attacker")).toContain("toolcrib allow attacker ask.example:443");
    });
  });
}

for (const user of USERS) {
  const obstacle = obstacleTo("confined", user);
  test.skipIf(obstacle !== undefined)(
    `confined as ${user}: the port of its proxy, of any host${because(obstacle)}`,
    async () => {
      const scene = await AttackScene.open({ uid: uidOf(user), without: ["namespaces"] });
      try {
        const granted = `localhost:${web.port}`;
        await scene.add("attacker", "--minimum", "confined", "--allow-host", granted);
        const network = axisOf(await scene.cage("attacker"), "network");
        const port = Number(/any host on port (\d+)/.exec(network.missing.join())?.[1]);
        expect(network.enforced).toBe("partial");

        // What the report calls open is open, and that alone.
        const there = await openServices(scene.path("there.sock"), { host: "127.0.0.2", port });
        expect(await scene.attempt("attacker", `reach 127.0.0.2:${port}`)).toBe(`ok ${GREETING}`);
        await there.close();
        for (const where of ["{tcp}", "{udp}", `127.0.0.1:${web.port}`, `127.0.0.2:${web.port}`]) {
          expect(await scene.attempt("attacker", `reach ${where}`)).toBe("EACCES");
        }
        // The proxy is for who knows its password, and for what is granted.
        const [, proxy = ""] = (await scene.attempt("attacker", "environment HTTPS_PROXY")).split("@");
        expect(await scene.attempt("attacker", `tunnel ${proxy} ${granted}`)).toBe("407");
        expect(textOf((await (await scene.agent()).call("attacker__try", { words: "pid" })).result)).toMatch(
          /^ok \d+$/,
        );
      } finally {
        await scene.close();
      }
    },
  );
}
