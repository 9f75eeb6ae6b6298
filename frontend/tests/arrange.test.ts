import { beforeEach, expect, it, vi } from "vitest";

import { arrangeAll } from "../src/designer/actions";
import { useDraft } from "../src/designer/store";

const made = vi.hoisted(() => ({ count: 0, silent: false }));

// As ELK does: its worker's errors reach nobody, and it waits for an answer.
vi.mock("elkjs/lib/elk-api.js", () => ({
  default: class {
    constructor({ workerFactory }: { workerFactory: () => unknown }) {
      made.count++;
      workerFactory();
    }
    layout(graph: { children: { id: string }[] }) {
      if (made.silent) return new Promise(() => undefined);
      return Promise.resolve({ children: graph.children.map(({ id }, at) => ({ id, x: at, y: 77 })) });
    }
  },
}));
vi.mock("elkjs/lib/elk-worker.min.js?url", () => ({ default: "gone.js" }));

class DeadWorker {
  addEventListener(_: string, tell: (event: { message: string }) => void) {
    if (made.silent) queueMicrotask(() => tell({ message: "404" }));
  }
}

beforeEach(() => {
  vi.stubGlobal("Worker", DeadWorker);
  const document = { id: "sales", tasks: { a: { type: "shell" }, b: { type: "shell", depends_on: ["a"] } } };
  const opened = { document, positions: { a: [5, 5] as [number, number], b: [5, 5] as [number, number] }, source: { text: "", format: "yaml" as const, says: null }, base: 1 };
  useDraft.getState().open(opened, opened);
});

it("lays out all the same when the worker does not start, and tries again the next time", async () => {
  made.silent = true;
  expect(await arrangeAll()).toBe(false);
  expect(useDraft.getState().positions.b?.[0]).toBeGreaterThan(100);
  made.silent = false;
  expect(await arrangeAll()).toBe(true);
  expect(useDraft.getState().positions.b).toEqual([1, 77]);
  expect(made.count).toBe(2);
});
