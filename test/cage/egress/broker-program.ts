// What broker-compiled.test.ts compiles: the broker with both of its ends, and fifty more that wait. Prints one line of
// JSON.

import { type BrokerInterceptor, openBroker } from "../../../src/cage/egress/broker.ts";
import { createPlaceholders } from "../../../src/cage/egress/broker-credential.ts";
import { hostCertificates, trustContext } from "../../../src/cage/egress/broker-trust.ts";
import { ask, openLab, openScriptedHost, PLACEHOLDER } from "./broker-lab.ts";

const IDLE = 50;

const host = await openScriptedHost((said) =>
  said.includes("\r\n\r\n") ? `HTTP/1.1 200 OK\r\nContent-Length: ${said.length}\r\n\r\n${said}` : undefined,
);
const lab = await openLab(host);
const request = `GET / HTTP/1.1\r\nHost: localhost:${lab.port}\r\nAuthorization: Bearer ${PLACEHOLDER}\r\nConnection: close\r\n\r\n`;
const answer = await ask(lab, request);
await lab.close();
await host.close();

const trust = trustContext(hostCertificates());
Bun.gc(true);
const before = process.memoryUsage.rss();
const idle = await Promise.all(Array.from({ length: IDLE }, (_, index) => open(`server-${index}`)));
Bun.gc(true);
const bytesEach = Math.round((process.memoryUsage.rss() - before) / IDLE);
const authorities = new Set(idle.map((broker) => broker.caCertificatePem())).size;
console.log(JSON.stringify({ answer, authorities, bytesEach }));

function open(server: string): Promise<BrokerInterceptor> {
  return openBroker({
    server,
    brokers: { token: { host: "api.example.com:443", header: "authorization", value: `value-of-${server}` } },
    placeholderFor: createPlaceholders(new Uint8Array(32)),
    trust,
  });
}
