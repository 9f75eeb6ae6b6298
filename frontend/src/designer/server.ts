/** What the designer asks of the server. */

import { useQuery } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { type Answer, api, type Problem, send } from "../lib/api";
import type { Positions } from "../graph/types";
import type { Doc } from "./document";
import type { Schema } from "./form/schema";
import type { Opened } from "./store";
import { type Format } from "./text";

export interface TaskType {
  name: string;
  title: string;
  description: string;
  icon: string;
  parameters: Schema;
}

export type Version = Answer<"get", "/dags/{dag_id}/versions">["results"][number];

/** The palette: what a task can be here. */
export function useTaskTypes() {
  return useQuery({
    queryKey: ["task-types"],
    queryFn: async () => (await api.get("/task-types")).results as unknown as TaskType[],
    staleTime: Infinity,
  });
}

/** The schema of a document: the fields of the DAG and of every task. */
export function useDocumentSchema() {
  return useQuery({
    queryKey: ["document-schema"],
    queryFn: async () => (await api.get("/documents/schema")) as unknown as Schema,
    staleTime: Infinity,
  });
}

const PAGE = 200;

/** The versions of a DAG, newest first. */
export function useVersions(dag: string | null) {
  return useQuery({
    queryKey: ["versions", dag],
    queryFn: async () => {
      const found: Version[] = [];
      for (let page = 1; ; page++) {
        const { results, count } = await api.get("/dags/{dag_id}/versions", { path: { dag_id: dag as string }, query: { limit: PAGE, page } });
        found.push(...results);
        if (found.length >= count || !results.length) return found;
      }
    },
    enabled: dag !== null,
  });
}

/** A version with its document, its text byte for byte, and its layout. */
export async function openVersion(dag: string, number: number): Promise<Opened> {
  const path = { dag_id: dag, number };
  const [version, text, layout] = await Promise.all([
    api.get("/dags/{dag_id}/versions/{number}", { path }),
    send("get", "/dags/{dag_id}/versions/{number}/document", { path, headers: { Accept: "*/*" } }).then((answer) => answer.text()),
    api.get("/dags/{dag_id}/versions/{number}/layout", { path }),
  ]);
  const document = version.document as Doc;
  return {
    document,
    positions: layout.positions as Positions,
    source: { text, format: version.source_format as Format, says: document },
    base: number,
  };
}

/** One version, where one is named. */
export function useVersion(dag: string | null, number: number | null) {
  return useQuery({
    queryKey: ["version", dag, number],
    queryFn: () => openVersion(dag as string, number as number),
    enabled: dag !== null && number !== null,
    staleTime: Infinity,
  });
}

/** The current version of a DAG. */
export async function openCurrent(dag: string): Promise<Opened> {
  const found = await api.get("/dags/{dag_id}", { path: { dag_id: dag } });
  return openVersion(dag, found.current_version as number);
}

/** The problems of the draft, asked for when it rests for a moment. */
export function useProblems(document: Doc, revision: number): { problems: Problem[]; checked: boolean; error: unknown } {
  const [settled, setSettled] = useState({ document, revision: -1 });
  useEffect(() => {
    const timer = setTimeout(() => setSettled({ document, revision }), 350);
    return () => clearTimeout(timer);
  }, [document, revision]);
  const query = useQuery({
    queryKey: ["problems", settled.revision],
    queryFn: async ({ signal }) => (await api.post("/documents/validate", { body: { document: settled.document }, signal })).problems as Problem[],
    enabled: settled.revision >= 0,
    placeholderData: (before) => before,
    gcTime: 10_000,
  });
  return { problems: query.data ?? [], checked: !query.isFetching && settled.revision === revision, error: query.error };
}

/** Publish a text as the next version. */
export async function publish(dag: string | null, body: { source: string; format: Format; note: string; base: number; layout: Positions }) {
  return dag === null ? api.post("/dags", { body }) : api.patch("/dags/{dag_id}", { path: { dag_id: dag }, body });
}

/** Keep the places of tasks with a version: no new version is made of it. */
export async function keepLayout(dag: string, number: number, positions: Positions): Promise<void> {
  await api.put("/dags/{dag_id}/versions/{number}/layout", { path: { dag_id: dag, number }, body: { positions } });
}

/** A text as data; throws with its problems when it cannot be read. */
export async function readText(source: string, format: Format): Promise<Doc> {
  return (await api.post("/documents/convert", { body: { source, format } })).document as Doc;
}
