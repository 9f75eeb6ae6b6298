import { expect, it } from "vitest";

import { unplaced } from "../src/designer/problems";

const problem = (path: string) => ({ code: "x", path, message: path, tasks: [], line: null, severity: "error" }) as never;
const paths = (found: { path: string }[]) => found.map(({ path }) => path);

it("finds the problems that no field of a task shows", () => {
  const fields = new Set(["command", "retry"]);
  const all = ["tasks.a", "tasks.a.command", "tasks.a.parameters.command", "tasks.a.retry.max", "tasks.a.tpye", "tasks.a.type", "tasks.a.parameters", "tasks.ab.command", "dependencies.a"];
  expect(paths(unplaced(all.map(problem), "tasks.a", fields))).toEqual(["tasks.a", "tasks.a.tpye", "tasks.a.type", "tasks.a.parameters", "tasks.ab.command", "dependencies.a"]);
});

it("finds the problems that no field of the DAG shows", () => {
  const all = ["", "tasks", "params.day", "callbacks[0].url", "schedule"];
  expect(paths(unplaced(all.map(problem), "", new Set(["params", "schedule"])))).toEqual(["", "tasks", "callbacks[0].url"]);
});
