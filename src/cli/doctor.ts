// `doctor`: what this host can enforce. Inside a running appliance where there is one, because its user and its
// environment count; from here otherwise.

import { examine } from "../control/doctor.ts";
import { AppError } from "../errors.ts";
import type { DoctorFinding } from "../model/api.ts";
import type { Context } from "./context.ts";
import { formatTable } from "./table.ts";

export async function doctor(context: Context): Promise<void> {
  const { terminal } = context;
  const findings = await inspect(context);
  if (context.json) return context.printJson({ findings });
  const rows = findings.flatMap(({ name, state, detail, mend }) => [
    [name, state, detail],
    ...(mend === undefined ? [] : [["", "", `mend: ${mend}`]]),
  ]);
  // Not cut to the terminal: a command that mends is to be copied whole.
  await terminal.out(formatTable([{ head: "WHAT" }, { head: "STATE" }, { head: "DETAIL" }], rows, undefined));
}

async function inspect({ api, terminal, paths, env, uid }: Context): Promise<readonly DoctorFinding[]> {
  try {
    return (await api.json<{ findings: readonly DoctorFinding[] }>("GET", "/doctor")).findings;
  } catch (error) {
    if (!(error instanceof AppError) || (error.code !== "unreachable" && error.code !== "denied"))
      throw error;
    terminal.talk("No appliance was asked: this is what can be seen from here.");
    return examine({ paths, env, uid });
  }
}
