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
    const others = lines(DOC).filter((line) => line !== "load>report");
    expect(lines(insertOn(more, "mid", { source: "load", target: "report" }))).toEqual([...others, "load>mid", "mid>report"].sort());
  });

  it("stay the choices that they were when a task is put on them", () => {
    const cases = [{ when: "a", task: "x" }, { when: "b", task: "y" }];
    const chooses: Doc = {
      tasks: {
        many: { type: "switch", parameters: { cases, default: "z" } },
        one: { type: "conditional", condition: "c", false_task: "z" },
        x: {}, y: { depends_on: "many" }, z: {}, mid: {},
      },
    };
    const first = insertOn(chooses, "mid", { source: "many", target: "x" });
    expect(taskOf(first, "many")?.parameters).toEqual({ cases: [{ when: "a", task: "mid" }, cases[1]], default: "z" });
    expect(taskOf(first, "x")).toEqual({ depends_on: ["mid"] });
    const last = insertOn(chooses, "mid", { source: "many", target: "z" });
    expect(taskOf(last, "many")?.parameters).toEqual({ cases, default: "mid" });
    const no = insertOn(chooses, "mid", { source: "one", target: "z" });
    expect(taskOf(no, "one")).toEqual({ type: "conditional", condition: "c", false_task: "mid" });
    const plain: Doc = { tasks: { one: { type: "conditional" }, x: { depends_on: ["one"] }, mid: {} } };
    expect(insertOn(plain, "mid", { source: "one", target: "x" })).toEqual({
      tasks: { one: { type: "conditional" }, x: { depends_on: ["mid"] }, mid: { depends_on: ["one"] } },
    });
  });
});

it("renames a task in edges, choices and expressions, and nothing else", () => {
  const doc = renamed(DOC, "fetch", "get");
  expect(tasksOf(doc).map(([id]) => id)).toEqual(["get", "enough", "load", "report"]);
  expect(lines(doc)).toEqual(["enough>load", "get>enough", "get>report", "load>report"]);
  expect(taskOf(doc, "load")?.command).toBe("echo {{ tasks.get.output.rows }} {{ tasks.fetch_more.output }}");
  expect(taskOf(renamed(DOC, "load", "put"), "enough")?.true_task).toBe("put");
});

it("renames in expressions, and leaves plain text alone", () => {
  const one = (fields: Doc): Doc => ({ tasks: { "build-it": {}, build: {}, one: fields } });
  const after = (fields: Doc, from: string, to: string) => taskOf(renamed(one(fields), from, to), "one");
  const text = "cat tasks.build.log {{ tasks.build.output }} {{ tasks['build'].x + my.tasks.build }} {% if tasks . build %}";
  expect(after({ command: text }, "build", "make")?.command).toBe(
    "cat tasks.build.log {{ tasks.make.output }} {{ tasks['make'].x + my.tasks.build }} {% if tasks.make %}",
  );
  expect(after({ command: "{{ tasks.build.output }}" }, "build", "a-b")?.command).toBe('{{ tasks["a-b"].output }}');
  expect(after({ command: '{{ tasks["build-it"].output }}' }, "build-it", "a.b")?.command).toBe('{{ tasks["a.b"].output }}');
  const choice = { type: "switch", condition: "tasks.build.x", cases: [{ when: "tasks.build.y", task: "build" }], default: "build" };
  expect(after(choice, "build", "make")).toEqual({ type: "switch", condition: "tasks.make.x", cases: [{ when: "tasks.make.y", task: "make" }], default: "make" });
  const body = { type: "http", parameters: { body: { depends_on: "build", condition: "tasks.build" } } };
  expect(after(body, "build", "make")).toEqual(body);
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

  it("gives no two tasks one id, and mistakes no task outside for one inside", () => {
    const doc: Doc = { tasks: { shell: {}, shell_3: {}, other: {} } };
    const text = JSON.stringify({ tasks: { shell: { depends_on: ["other"] }, shell_2: { command: "{{ tasks.shell.output }}", depends_on: ["shell", "shell_4"] } } });
    const result = pasted(doc, {}, text);
    expect(result?.ids).toEqual(["shell_4", "shell_2"]);
    expect(result?.document.tasks).toEqual({
      ...(doc.tasks as Doc), shell_4: {}, shell_2: { command: "{{ tasks.shell_4.output }}", depends_on: ["shell_4"] },
    });
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
