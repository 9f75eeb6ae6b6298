import { describe, expect, it } from "vitest";
import { parse } from "yaml";

import { type Doc, type Fields, tasksOf, withSection, withTask, withTasks } from "../src/designer/document";
import { withoutTasks } from "../src/designer/edges";
import { renamed } from "../src/designer/rename";
import { patched } from "../src/designer/text";

const READ = { merge: true, stringKeys: true, uniqueKeys: false } as const;
const comments = (text: string) => text.match(/# .*/g) ?? [];

/** With one space before each comment: a line that changed may lose the author's. */
const close = (text: string) => text.replace(/ +#/g, " #").replace(/\n #/g, "\n#");

/** The text after an edit; it must say what was wanted, with every comment. */
async function after(text: string, change: (doc: Doc) => Doc): Promise<string> {
  const before = parse(text, READ) as Doc;
  const wanted = change(before);
  const result = await patched(text, "yaml", before, wanted);
  expect(parse(result, READ)).toEqual(wanted);
  expect(comments(result)).toEqual(comments(text));
  return result;
}

const MAPPED = `# about it
id: sales  # the id

# when
schedule:
  # every night
  cron: "0 2 * * *"  # at two
  timezone: UTC  # ours

# what
tasks:
  # first
  fetch:
    type: shell
    env:
      # where
      HOST: here  # for now
      PORT: "80"
    command: echo  # says nothing

  # then
  load:
    type: shell
    depends_on: [fetch]  # of course
    command: echo {{ tasks.fetch.output }}  # what was fetched
`;

describe("every comment stays when somebody", () => {
  it("renames a task", async () => {
    const text = await after(MAPPED, (doc) => renamed(doc, "fetch", "get"));
    expect(close(text)).toBe(close(MAPPED.replace("  fetch:", "  get:").replace("[fetch]", "[get]").replace("tasks.fetch", "tasks.get")));
  });

  it("gives the document its first section", async () => {
    for (const [name, value] of [["params", { day: { type: "string" } }], ["config", { timeout: "1h" }], ["defaults", { retry: 3 }]] as const) {
      const text = await after(MAPPED, (doc) => withSection(doc, name, value));
      expect(text.indexOf(`\n${name}:`)).toBeLessThan(text.indexOf("\ntasks:"));
      expect(text).toContain("# what\ntasks:\n  # first\n  fetch:\n    type: shell\n");
    }
  });

  it("changes the kind of its schedule", async () => {
    const text = await after(MAPPED, (doc) => withSection(doc, "schedule", { interval: "1h", timezone: "UTC" }));
    expect(close(text)).toBe(close(MAPPED.replace('cron: "0 2 * * *"', 'interval: "1h"')));
  });

  it("renames a key of a map", async () => {
    const text = await after(MAPPED, (doc) => withTask(doc, "fetch", (fields) => ({ ...fields, env: { SERVER: "here", PORT: "80" } })));
    expect(close(text)).toBe(close(MAPPED.replace("HOST", "SERVER")));
  });

  it("changes a value to one of another type", async () => {
    const text = await after("id: x\nconfig:\n  timeout: 5  # seconds\n", (doc) => ({ ...doc, config: { timeout: "5m" } }));
    expect(text).toBe("id: x\nconfig:\n  timeout: 5m # seconds\n");
  });
});

const LISTED = `id: sales
tasks:
  # first
  - id: fetch
    type: shell
    command: echo  # says nothing
  # then
  - id: load  # the long one
    type: switch
    cases:
      # mostly
      - when: a > 1  # or so
        task: fetch
      - {when: b, task: more}
  - id: more
    # last
    type: shell
`;

describe("tasks in a list", () => {
  const edit = (doc: Doc, id: string, change: Fields) => withTask(doc, id, (fields) => ({ ...fields, ...change }));

  it("keep their comments beside an edit, a new task, a new id and a removal", async () => {
    expect(close(await after(LISTED, (doc) => edit(doc, "fetch", { command: "true" })))).toBe(close(LISTED.replace("command: echo", 'command: "true"')));
    expect(close(await after(LISTED, (doc) => renamed(doc, "load", "put")))).toBe(close(LISTED.replace("id: load", "id: put")));
    expect(close(await after(LISTED, (doc) => withTasks(doc, [...tasksOf(doc), ["end", { type: "sql" }]])))).toBe(close(`${LISTED}  - type: sql\n    id: end\n`));
    const before = parse(LISTED) as Doc;
    const less = await patched(LISTED, "yaml", before, withoutTasks(before, ["more"]));
    expect(comments(less)).toEqual(comments(LISTED).filter((each) => each !== "# last"));
  });

  it("keep the comments of a list inside them", async () => {
    const text = await after(LISTED, (doc) => edit(doc, "load", { cases: [{ when: "a > 2", task: "fetch" }, { when: "b", task: "more" }] }));
    expect(close(text)).toBe(close(LISTED.replace("a > 1", "a > 2")));
  });
});

const ANCHORED = `id: sales
# what all have
defaults: &all
  retry: &r {attempts: 3}  # often enough
  timeout: 5m
tasks:
  a:
    <<: *all  # as all
    type: shell
  # b
  b:
    type: shell
    retry: *r  # as well
  c: {type: shell, retry: *r}
`;

describe("anchors and merges", () => {
  const edit = (id: string, change: (fields: Fields) => Fields) => (doc: Doc) => withTask(doc, id, change);

  it("stay beside an edit elsewhere", async () => {
    const text = await after(ANCHORED, edit("b", (fields) => ({ ...fields, command: "true" })));
    expect(close(text)).toBe(close(ANCHORED.replace("# as well\n", '# as well\n    command: "true"\n')));
  });

  it("give way where somebody edits below an alias, and only there", async () => {
    const text = await after(ANCHORED, edit("b", (fields) => ({ ...fields, retry: { attempts: 5 } })));
    expect(text).toContain("retry: {attempts: 5}");
    expect(text).toContain("<<: *all");
    expect(text).toContain("c: {type: shell, retry: *r}");
  });

  it("give way where somebody edits what they name", async () => {
    const text = await after(ANCHORED, (doc) => ({ ...doc, defaults: { retry: { attempts: 4 }, timeout: "5m" } }));
    expect(text).toContain("retry: {attempts: 4} # often enough");
  });

  it("are added to, and taken away from", async () => {
    expect(close(await after(ANCHORED, edit("a", (fields) => ({ ...fields, timeout: "9m" }))))).toBe(
      close(ANCHORED.replace("# as all\n    type: shell\n", "# as all\n    timeout: 9m\n    type: shell\n")),
    );
    const before = parse(ANCHORED, READ) as Doc;
    const without = withTask(before, "a", ({ timeout: _, ...rest }) => rest);
    const text = await patched(ANCHORED, "yaml", before, without);
    expect(parse(text, READ)).toEqual(without);
    expect(text).toContain("# what all have");
    expect(text).toContain("retry: *r  # as well");
  });

  it("are written out where what they name is removed", async () => {
    const before = parse(ANCHORED, READ) as Doc;
    const { defaults: _, ...without } = before;
    const text = await patched(ANCHORED, "yaml", before, without);
    expect(parse(text, READ)).toEqual(without);
    expect(comments(text)).toContain("# b");
  });
});

it("takes more than one merge in a mapping, as the server does", async () => {
  const text = "id: x\nsome: &a {pool: p}\nmore: &b {retry: 3}\ntasks:\n  t:\n    <<: *a  # first\n    <<: *b\n    type: shell\n";
  expect(close(await after(text, (doc) => withTask(doc, "t", (fields) => ({ ...fields, type: "sql" }))))).toBe(close(text.replace("shell", "sql")));
});

it("changes a document of 2,000 tasks while somebody waits", async () => {
  const tasks = Array.from({ length: 2_000 }, (_, at) => `  # number ${at}\n  t${at}:\n    type: shell\n    command: echo ${at}\n`).join("");
  const text = await after(`id: x\ntasks:\n${tasks}`, (doc) => renamed(doc, "t7", "seven"));
  expect(text).toContain("  # number 7\n  seven:\n    type: shell\n");
});

it("reads keys as the server does", async () => {
  const text = "id: x\ntasks:\n  a:\n    env:\n      1: one  # first\n      on: two\n";
  expect(close(await after(text, (doc) => withTask(doc, "a", (fields) => ({ ...fields, env: { 1: "uno", on: "two" } }))))).toBe(close(text.replace("1: one", '"1": uno')));
});
