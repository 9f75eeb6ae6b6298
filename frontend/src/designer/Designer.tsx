/** The designer: open the current version and the draft that was kept, then hand over to the workbench. */

import { useQuery } from "@tanstack/react-query";
import { useEffect, useMemo, useState } from "react";

import "./designer.css";
import type { PageProps } from "../lib/props";
import { ErrorNote } from "../ui/ErrorNote";
import { Spinner } from "../ui/Spinner";
import { readAddress } from "./address";
import { Drafts, restored as restoredOf } from "./drafts";
import { openVersion, useDocumentSchema, useTaskTypes } from "./server";
import { type Opened, useDraft } from "./store";
import { Workbench } from "./Workbench";

export interface DesignerProps extends PageProps {
  dag: string | null;
  dag_pk: number | null;
  /** The number of the current version. */
  version: number | null;
  /** The template that the current version was generated from. */
  template: string | null;
  user: string;
  links: { dag: string; dags: string; run: string };
}

const NEW: Opened = {
  document: { id: "my_dag", tasks: {} },
  positions: {},
  source: { text: "", format: "yaml", says: null },
  base: 0,
};

/** Loads what the designer needs. */
export function Designer(props: DesignerProps) {
  const { dag, user } = props;
  const types = useTaskTypes();
  const schema = useDocumentSchema();
  const version = useQuery({
    queryKey: ["opened", dag],
    queryFn: () => (dag === null || props.version === null ? Promise.resolve(NEW) : openVersion(dag, props.version)),
    staleTime: Infinity,
    gcTime: 0,
  });
  const drafts = useMemo(() => new Drafts(user), [user]);
  const [restored, setRestored] = useState<string | null | undefined>(undefined);
  useEffect(() => {
    if (!version.data || restored !== undefined) return;
    const draft = props.permissions.publish ? drafts.kept(dag, new Date()) : null;
    const useful = draft && restoredOf(draft, version.data);
    useDraft.getState().open(useful ?? version.data, version.data);
    const { task } = readAddress();
    if (task) useDraft.getState().select([task]);
    setRestored(useful ? draft.keptAt : null);
  }, [version.data, restored, drafts, dag, props.permissions.publish]);
  const error = types.error ?? schema.error ?? version.error;
  if (error) return <ErrorNote error={error} onRetry={() => location.reload()} />;
  if (!types.data || !schema.data || !version.data || restored === undefined) return <Spinner />;
  return <Workbench {...props} types={types.data} schema={schema.data} drafts={drafts} restored={restored} />;
}
