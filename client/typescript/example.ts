// Logs in, makes a role, gives it to a user and asks whether that user may do
// what it allows, with types that are generated from Sentinel's OpenAPI
// document. `make client-ts` runs it against a demo server.
//
// SENTINEL_URL is the server's address. It exits with 1 if anything is not as it
// says here.
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "./dist/sentinel.ts";

type Failure = components["schemas"]["ErrorEnvelope"];

// SentinelError is a call that the server refused or could not serve.
class SentinelError extends Error {
  readonly code: string;
  readonly requestId: string;

  constructor(failure: Failure) {
    super(`${failure.error.code}: ${failure.error.message}`);
    this.code = failure.error.code;
    this.requestId = failure.meta.request_id;
  }
}

// data is what a call brought. A failure is thrown, so that nobody goes on
// without an answer.
function data<T>(result: { data?: { data: T }; error?: Failure }): T {
  if (result.error !== undefined) throw new SentinelError(result.error);
  if (result.data === undefined) throw new Error("the server does not answer like Sentinel");
  return result.data.data;
}

function bearer(token: string): Middleware {
  return {
    onRequest({ request }) {
      request.headers.set("Authorization", `Bearer ${token}`);
    },
  };
}

function expect(what: string, is: unknown, want: unknown): void {
  if (is !== want) throw new Error(`${what}: got ${String(is)}, want ${String(want)}`);
  console.log(`${what}: ${String(is)}`);
}

const api = createClient<paths>({ baseUrl: process.env["SENTINEL_URL"] ?? "http://127.0.0.1:8080" });

const login = data(
  await api.POST("/api/v1/auth/login", {
    body: { tenant_id: "TEST-001", email: "admin@test-001.example", password: "demo-password-1" },
  }),
);
api.use(bearer(login.access_token));

const role = data(await api.POST("/api/v1/roles", { body: { name: "invoice_reader" } }));
data(
  await api.POST("/api/v1/roles/{id}/permissions", {
    params: { path: { id: role.id } },
    body: { permissions: [{ name: "Read invoices", resource_type: "invoice", resource_path: "invoice/*", actions: ["read"] }] },
  }),
);
const users = await api.GET("/api/v1/users", { params: { query: { search: "ann", limit: 1 } } });
const ann = data(users)[0];
if (ann === undefined) throw new Error("the demo has no Ann");
const question = { user_id: ann.id, resource: { type: "invoice", id: "4711" }, action: "read" };

const before = data(await api.POST("/api/v1/permissions/check", { body: question }));
expect("before she has the role", before.allowed, false);
data(await api.POST("/api/v1/users/{id}/roles", { params: { path: { id: ann.id } }, body: { role_id: role.id } }));
const after = data(await api.POST("/api/v1/permissions/check", { body: question }));
expect("with the role", after.allowed, true);
expect("because", after.reason_code, "granted");

try {
  data(await api.POST("/api/v1/roles", { body: { name: "invoice_reader" } }));
  throw new Error("the same role twice");
} catch (e) {
  if (!(e instanceof SentinelError)) throw e;
  expect("the same role again", e.code, "CONFLICT");
}
