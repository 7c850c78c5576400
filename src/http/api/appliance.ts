// /api/v1/status, /settings and /doctor: the appliance itself.

import { Elysia } from "elysia";
import type { Admin } from "../../control/admin.ts";
import { answers } from "./route-detail.ts";

const tags = ["appliance"];

export function applianceRoutes(admin: Admin) {
  return new Elysia()
    .get("/status", () => admin.status(), {
      detail: { tags, summary: "Version, URL, places and counts", ...answers("StatusView") },
    })
    .get("/settings", () => ({ settings: admin.settings() }), {
      detail: {
        tags,
        summary: "Every setting, its value and where it came from",
        ...answers("{ settings: SettingView[] }"),
      },
    })
    .get("/doctor", async () => ({ findings: await admin.doctor() }), {
      detail: { tags, summary: "What this host can enforce", ...answers("{ findings: DoctorFinding[] }") },
    });
}
