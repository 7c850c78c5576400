// What the routes say about themselves for the OpenAPI document, and how they read a name from their path.

import { AppError } from "../../errors.ts";
import type { REQUEST_BODIES } from "./openapi.ts";

type BodyName = keyof typeof REQUEST_BODIES;

/** The body that a route takes, by the name of its schema: openapi.ts adds the schemas when somebody asks. */
export function takes(name: BodyName) {
  return { requestBody: { $ref: `#/components/requestBodies/${name}` } };
}

/** A good answer. Every other answer is a problem. */
export function answers(description: string, contentType = "application/json") {
  return {
    responses: {
      200: { description, content: { [contentType]: {} } },
      default: { $ref: "#/components/responses/Problem" },
    },
  };
}

/** A part of the path. NB: Elysia gives null, whatever its types say, where the percent-encoding is broken. */
export function nameIn(parameter: unknown): string {
  if (typeof parameter === "string" && parameter !== "") return parameter;
  throw new AppError("not-found", "There is nothing under this name.");
}
