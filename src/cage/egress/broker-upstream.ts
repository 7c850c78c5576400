// The TLS connection to a brokered host: over the TCP connection that Egress has dialled, and only to a host that proves
// its name. Called by broker-connection.ts for the first request.

import { isIP, type Socket } from "node:net";
import { connect, type SecureContext } from "node:tls";
import { systemErrorCode } from "../../errors.ts";
import { BrokerRefusal } from "./broker-refusal.ts";
import { type ByteMeter, ByteSocket } from "./broker-socket.ts";

/** Owns `socket`, also when it fails. `trust`: who may vouch for the host. @throws BrokerRefusal */
export async function secureUpstream(
  socket: Socket,
  host: string,
  trust: SecureContext,
  meter: ByteMeter,
): Promise<ByteSocket> {
  const secured = Promise.withResolvers<void>();
  const tls = connect({
    socket,
    host,
    // NB: an address is no server name (RFC 6066, section 3), but is what the certificate has to say.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    secureContext: trust,
    rejectUnauthorized: true,
    ALPNProtocols: ["http/1.1"],
  });
  const fail = (thrown?: unknown): void => secured.reject(refusalOf(thrown, host));
  tls.once("secureConnect", secured.resolve);
  tls.once("error", fail);
  tls.once("close", fail);
  socket.once("close", () => {
    fail();
    // NB: over a socket that may be half open, it does not close by itself (Bun 1.4.5). All that came was read by then.
    tls.destroy();
  });
  try {
    await secured.promise;
    return new ByteSocket(tls, meter);
  } catch (error) {
    tls.destroy();
    socket.destroy();
    throw error;
  }
}

function refusalOf(thrown: unknown, host: string): BrokerRefusal {
  const code = systemErrorCode(thrown);
  if (code === undefined)
    return new BrokerRefusal(502, `${host} closed the connection before it was secured.`);
  return new BrokerRefusal(
    502,
    `The certificate or the TLS of ${host} was not accepted (${code}), so nothing was sent to it. ` +
      "Where a company's own authority vouches for it, add that to the certificates that this host trusts.",
  );
}
