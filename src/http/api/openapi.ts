// The OpenAPI document: paths from the routes themselves, bodies from the schemas that check them. Loaded when
// somebody asks for it; api.ts is the only caller.

import { toOpenAPISchema } from "@elysiajs/openapi/openapi";
import { toJsonSchema } from "@valibot/to-json-schema";
import type { AnyElysia } from "elysia";
import { GrantRequest } from "../../model/cage-view.ts";
import { AddRequest, CallRequest, PlanRequest, TokenRequest } from "../../model/api.ts";
import { BundleRequest, McpbFetchRequest, McpbPlanRequest, SwitchRequest } from "../../model/package-view.ts";
import { ShellRequest, ShellSize } from "../../model/shell.ts";

export const REQUEST_BODIES = {
  PlanRequest,
  AddRequest,
  CallRequest,
  TokenRequest,
  GrantRequest,
  ShellRequest,
  ShellSize,
  SwitchRequest,
  BundleRequest,
  McpbFetchRequest,
  McpbPlanRequest,
};

const PROBLEM = {
  description: "What went wrong and what to do next (RFC 9457)",
  content: {
    "application/problem+json": {
      schema: {
        type: "object",
        required: ["type", "title", "status", "detail", "code"],
        properties: {
          type: { type: "string" },
          title: { type: "string" },
          status: { type: "integer" },
          detail: { type: "string" },
          code: { type: "string" },
        },
      },
    },
  },
};

export function openApiDocument(routes: AnyElysia, version: string): Record<string, unknown> {
  const requestBodies = Object.fromEntries(
    Object.entries(REQUEST_BODIES).map(([name, schema]) => {
      // What a check says beyond JSON Schema (no NUL in an argument) is left to the answer.
      const { $schema: _, ...json } = toJsonSchema(schema, { typeMode: "input", errorMode: "ignore" });
      return [name, { required: true, content: { "application/json": { schema: json } } }];
    }),
  );
  return {
    openapi: "3.1.2",
    info: { title: "Toolcrib", version, license: { name: "Apache-2.0", identifier: "Apache-2.0" } },
    paths: toOpenAPISchema(routes).paths,
    components: { requestBodies, responses: { Problem: PROBLEM } },
  };
}
