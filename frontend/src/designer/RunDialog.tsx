import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useEffect, useId, useState } from "react";

import { api, ApiError } from "../lib/api";
import { t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { ErrorNote } from "../ui/ErrorNote";
import { Spinner } from "../ui/Spinner";
import type { Fields } from "./document";
import type { Schema } from "./form/schema";
import { SchemaForm } from "./form/SchemaForm";

interface Props {
  dag: string;
  number: number;
  unsaved: boolean;
  runLink: (id: number) => string;
  onClose: () => void;
}

/** The launch form: the parameters of the version that the draft stands on, with the defaults that a run would have now. */
export function RunDialog({ dag, number, unsaved, runLink, onClose }: Props) {
  const id = useId();
  const [values, setValues] = useState<Fields | null>(null);
  const { data: schema, error } = useQuery({
    queryKey: ["params-schema", dag, number],
    queryFn: async () => (await api.get("/dags/{dag_id}/params-schema", { path: { dag_id: dag }, query: { version: number } })) as Schema,
    staleTime: 0,
    gcTime: 0,
  });
  useEffect(() => {
    if (schema && values === null) setValues(defaultsOf(schema));
  }, [schema, values]);
  const start = useMutation({
    mutationFn: () => api.post("/dags/{dag_id}/runs", { path: { dag_id: dag }, body: { params: values ?? {}, version: number } as never }),
    onSuccess: (run) => location.assign(runLink((run as unknown as { id: number }).id)),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!start.isPending) start.mutate();
  };
  const problems = start.error instanceof ApiError ? start.error.problems : [];
  const at = (path: string) => problems.filter((each) => each.path === path || each.path === `params.${path}` || each.path.endsWith(`.${path}`)).map((each) => each.message);
  return (
    <Dialog
      title={t("designer.run_title", { dag, number })}
      onClose={onClose}
      actions={
        <>
          <Button label={t("ui.cancel")} onClick={onClose} />
          <Button look="primary" icon="play" label={t("designer.start_run")} type="submit" form={id} disabled={start.isPending || values === null} />
        </>
      }
    >
      <form id={id} onSubmit={submit}>
        {unsaved && <p className="ui-muted">{t("designer.run_unsaved", { number })}</p>}
        {error && <ErrorNote error={error} />}
        {start.error && <ErrorNote error={start.error} />}
        {!schema && !error && <Spinner />}
        {schema && values && Object.keys(schema.properties ?? {}).length === 0 && <p className="ui-muted">{t("designer.no_params")}</p>}
        {schema && values && <SchemaForm schema={schema} root={schema} value={values} problemsAt={at} onChange={(next) => setValues(next)} />}
      </form>
    </Dialog>
  );
}

/** What the fields of a form begin with. */
export function defaultsOf(schema: Schema): Fields {
  const found = Object.entries(schema.properties ?? {}).flatMap(([name, each]) => (each.default === undefined ? [] : [[name, each.default]]));
  return Object.fromEntries(found) as Fields;
}
