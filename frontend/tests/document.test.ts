import { describe, expect, it } from "vitest";

import { copied, pasted } from "../src/designer/clipboard";
import { type Doc, freeId, idsOf, taskOf, tasksOf } from "../src/designer/document";
import { connect, disconnect, edgesOf, insertOn, withoutTasks } from "../src/designer/edges";
import { marksOf } from "../src/designer/marks";
import { rebased } from "../src/designer/merge";
import { renamed } from "../src/designer/rename";
import { patched } from "../src/designer/text";

const DOC: Doc = {
  id: "sales",
  tasks: {
    fetch: { type: "shell", command: "echo 1" },
    enough: { type: "conditional", condition: "tasks.fetch.output.rows > 1", true_task: "load", depends_on: ["fetch"] },
    load: { type: "shell", command: "echo {{ tasks.fetch.output.rows }} {{ tasks.fetch_more.output }}" },
    report: { type: "shell", command: "true", depends_on: "load" },
  },
  dependencies: { report: ["fetch"] },
};
const lines = (doc: Doc) => edgesOf(doc).map((edge) => `${edge.source}>${edge.target}`).sort();

describe("edges", () => {
  it("are read from all three places, each once", () => {
    expect(lines(DOC)).toEqual(["enough>load", "fetch>enough", "fetch>report", "load>report"]);
  });

  it("are made by the free side of a condition first, then by depends_on, and never twice", () => {
    const once = connect(DOC, "enough", "report");
    expect(taskOf(once, "enough")?.false_task).toBe("report");
    const twice = connect(once, "enough", "fetch");
    expect(idsOf(taskOf(twice, "fetch")?.depends_on)).toEqual(["enough"]);
    expect(connect(DOC, "fetch", "enough")).toBe(DOC);
    expect(connect(DOC, "fetch", "fetch")).toBe(DOC);
  });

  it("are cut wherever they are written", () => {
    for (const [source, target] of [["fetch", "enough"], ["fetch", "report"], ["load", "report"], ["enough", "load"]] as const) {
      const cut = disconnect(DOC, source, target);
      expect(lines(cut)).toEqual(lines(DOC).filter((line) => line !== `${source}>${target}`));
    }
    expect(disconnect(DOC, "fetch", "report").dependencies).toBeUndefined();
  });

  it("go with their task", () => {
    expect(lines(withoutTasks(DOC, ["fetch", "report"]))).toEqual(["enough>load"]);
    expect(tasksOf(withoutTasks(DOC, ["fetch"])).map(([id]) => id)).toEqual(["enough", "load", "report"]);
  });

  it("can be split by a task", () => {
    const more: Doc = { ...DOC, tasks: { ...(DOC.tasks as Doc), mid: { type: "shell" } } };
    expect(lines(insertOn(more, "mid", { source: "load", target: "report" }))).toContain("mid>report");
  });
});

it("renames a task in edges, choices and expressions, and nothing else", () => {
  const doc = renamed(DOC, "fetch", "get");
  expect(tasksOf(doc).map(([id]) => id)).toEqual(["get", "enough", "load", "report"]);
  expect(lines(doc)).toEqual(["enough>load", "get>enough", "get>report", "load>report"]);
  expect(taskOf(doc, "load")?.command).toBe("echo {{ tasks.get.output.rows }} {{ tasks.fetch_more.output }}");
  expect(taskOf(renamed(DOC, "load", "put"), "enough")?.true_task).toBe("put");
});

it("finds free ids", () => {
  expect(freeId("shell", new Set(["shell", "shell_2"]))).toBe("shell_3");
  expect(freeId("shell_2", new Set(["shell_2"]))).toBe("shell_3");
  expect(freeId("1 x", new Set())).toBe("_1_x");
});

describe("copy and paste", () => {
  it("keeps edges inside, cuts those from outside, and finds free ids", () => {
    const text = copied(DOC, { load: [0, 0] }, ["load", "report"]);
    const result = pasted(DOC, {}, text);
    expect(result?.ids).toEqual(["load_2", "report_2"]);
    expect(lines(result?.document ?? {})).toContain("load_2>report_2");
    expect(result?.positions.load_2).toEqual([48, 48]);
    const alone = pasted(DOC, {}, copied(DOC, {}, ["enough"]));
    expect(idsOf(taskOf(alone?.document ?? {}, "enough_2")?.depends_on)).toEqual([]);
  });

  it("leaves other text alone", () => {
    for (const text of ["", "hello", "[]", "{}", '{"tasks": {}}', '{"tasks": {"a": 1}}']) expect(pasted(DOC, {}, text)).toBeNull();
  });
});

describe("rebasing", () => {
  const change = (id: string, command: string): Doc => ({ ...DOC, tasks: { ...(DOC.tasks as Doc), [id]: { type: "shell", command } } });

  it("brings both changes together", () => {
    const { document, conflicts } = rebased(DOC, change("mine", "a"), { ...change("hers", "b"), name: "Hers" });
    expect(conflicts).toEqual([]);
    expect(tasksOf(document).map(([id]) => id)).toEqual(["fetch", "enough", "load", "report", "hers", "mine"]);
    expect(document.name).toBe("Hers");
  });

  it("names what both changed, and keeps mine", () => {
    const { document, conflicts } = rebased(DOC, change("load", "mine"), change("load", "hers"));
    expect(conflicts).toEqual(["load"]);
    expect(taskOf(document, "load")?.command).toBe("mine");
  });

  it("deletes what one deleted and the other left alone", () => {
    expect(taskOf(rebased(DOC, DOC, withoutTasks(DOC, ["report"])).document, "report")).toBeUndefined();
    expect(taskOf(rebased(DOC, withoutTasks(DOC, ["report"]), { ...DOC, name: "x" }).document, "report")).toBeUndefined();
  });
});

it("marks what differs", () => {
  const now = connect(withoutTasks({ ...DOC, tasks: { ...(DOC.tasks as Doc), extra: { type: "sql" } } }, ["report"]), "load", "extra");
  const marks = marksOf(DOC, now);
  expect(Object.fromEntries(marks.tasks)).toEqual({ extra: "added", report: "removed" });
  expect(marks.edges.get("load→extra")).toBe("added");
});

describe("text", () => {
  const YAML = `# about it
id:  sales   # the id
config: {tags: [a,b], timeout: 1.0}
tasks:
  # first
  fetch: {type: shell, command: "echo  1"}
  load:
    type: shell
    command: |
      one
      two
    depends_on: [fetch]
`;
  const DATA: Doc = {
    id: "sales",
    config: { tags: ["a", "b"], timeout: 1 },
    tasks: { fetch: { type: "shell", command: "echo  1" }, load: { type: "shell", command: "one\ntwo\n", depends_on: ["fetch"] } },
  };
  const tasks = DATA.tasks as Doc;

  it("stays to the byte when nothing changed", async () => {
    expect(await patched(YAML, "yaml", DATA, structuredClone(DATA))).toBe(YAML);
  });

  it("keeps comments, numbers and forms beside a change", async () => {
    const text = await patched(YAML, "yaml", DATA, { ...DATA, tasks: { ...tasks, fetch: { type: "shell", command: "echo 2" }, more: { type: "sql" } } });
    expect(text).toContain("# about it");
    expect(text).toContain("# first");
    expect(text).toContain("timeout: 1.0");
    expect(text).toContain("command: |\n      one\n      two");
    expect(text).toContain("echo 2");
    expect(text).toMatch(/more:/);
  });

  it("keeps the author's spacing in every line that a change does not concern", async () => {
    const now: Doc = { ...DATA, name: "Sales", tasks: { fetch: { type: "shell", command: "echo 2" }, load: { ...(tasks.load as Doc), timeout: "5m" } } };
    const text = await patched(YAML, "yaml", DATA, now);
    expect(text).toBe(YAML.replace('"echo  1"', '"echo 2"').replace("[fetch]\n", '[fetch]\n    timeout: 5m\nname: Sales\n'));
    expect(await patched(text, "yaml", now, { ...now, tasks: { load: (now.tasks as Doc).load as Doc } })).not.toContain("echo 2");
    const wide = "id: x\ntasks:\n    # one\n    a:\n        type:  shell\n        command: 'true'\n";
    const before: Doc = { id: "x", tasks: { a: { type: "shell", command: "true" } } };
    expect(await patched(wide, "yaml", before, { id: "x", tasks: { a: { type: "shell", command: "false" } } })).toBe(
      wide.replace("'true'", "'false'"),
    );
  });

  it("is written anew where it cannot be changed", async () => {
    const text = await patched("", "yaml", null, { id: "x", tasks: { a: { type: "shell", command: "true" } } });
    expect(text).toBe('id: x\ntasks:\n  a:\n    type: shell\n    command: "true"\n');
    expect(JSON.parse(await patched("{}", "json", {}, DATA))).toEqual(DATA);
  });
});
