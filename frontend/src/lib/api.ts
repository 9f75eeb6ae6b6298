/** The HTTP API, typed by its own schema: session cookie, CSRF header, errors as problem documents. */

import { locale } from "./i18n";
import type { paths } from "./schema";

type Method = "get" | "post" | "put" | "patch" | "delete";
type PathsOf<M extends Method> = { [P in keyof paths]: paths[P][M] extends object ? P : never }[keyof paths];
type Short<P> = P extends `/api/v1${infer Rest}` ? Rest : never;
type Full<S extends string> = `/api/v1${S}`;
export type ShortPath<M extends Method> = Short<PathsOf<M>>;

type Operation<M extends Method, S extends string> = Full<S> extends keyof paths ? paths[Full<S>][M] : never;
type Json<T> = T extends { content: { "application/json": infer B } } ? B : undefined;
type Success<R> = { [K in keyof R]: K extends 200 | 201 | 202 ? Json<R[K]> : never }[keyof R];
export type Answer<M extends Method, S extends string> =
  Operation<M, S> extends { responses: infer R } ? Success<R> : never;
export type Body<M extends Method, S extends string> =
  Operation<M, S> extends { requestBody?: infer B } ? Json<NonNullable<B>> : undefined;

export interface Options<B> {
  path?: Record<string, string | number>;
  query?: Record<string, string | number | boolean | undefined>;
  body?: B;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

export interface Problem {
  code: string;
  path: string;
  message: string;
  tasks: string[];
  line: number | null;
  column: number | null;
}

/** An answer that is not 2xx, as the API words it. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly problems: Problem[] = [],
    readonly facts: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

let root = "/api/v1/";

/** Say where the API is; the page's props know. */
export function setApiRoot(address: string): void {
  root = address.endsWith("/") ? address : `${address}/`;
}

/** The address of a path of the API, with its places filled in. */
export function address(path: string, options: Pick<Options<never>, "path" | "query"> = {}): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(options.path?.[name] ?? "")));
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(options.query ?? {})) if (value !== undefined) query.set(name, String(value));
  const text = query.toString();
  return root + filled.replace(/^\//, "") + (text && `?${text}`);
}

function csrfToken(): string {
  const field = document.querySelector<HTMLInputElement>("input[name=csrfmiddlewaretoken]");
  return /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? field?.value ?? "";
}

/** The error that a response stands for, whatever its body is. */
export async function errorOf(response: Response): Promise<ApiError> {
  const facts = (await response.json().catch(() => ({}))) as Record<string, unknown>;
  const text = typeof facts.detail === "string" && facts.detail ? facts.detail : response.statusText;
  const problems = Array.isArray(facts.problems) ? (facts.problems as Problem[]) : [];
  return new ApiError(response.status, String(facts.code ?? ""), text, problems, facts);
}

/** Send a request to the API; throws ApiError for any answer that is not 2xx, and for no answer at all (status 0). */
export async function send(method: Method, path: string, options: Options<unknown> = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", "Accept-Language": locale(), ...options.headers };
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  if (method !== "get") headers["X-CSRFToken"] = csrfToken();
  const response = await fetch(address(path, options), {
    method: method.toUpperCase(),
    headers,
    credentials: "same-origin",
    signal: options.signal,
    body: options.body === undefined ? undefined : JSON.stringify(options.body),
  }).catch((error: unknown) => {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "no_answer", String(error));
  });
  if (!response.ok) throw await errorOf(response);
  return response;
}

function caller<M extends Method>(method: M) {
  return async <S extends ShortPath<M>>(path: S, options: Options<Body<M, S>> = {}): Promise<Answer<M, S>> => {
    const response = await send(method, path, options);
    return (response.status === 204 ? undefined : await response.json()) as Answer<M, S>;
  };
}

export const api = {
  get: caller("get"),
  post: caller("post"),
  put: caller("put"),
  patch: caller("patch"),
  delete: caller("delete"),
};
