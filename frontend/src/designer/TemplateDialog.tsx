import { useMutation, useQuery } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";

import { api } from "../lib/api";
import { t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { Dialog } from "../ui/Dialog";
import { ErrorNote } from "../ui/ErrorNote";
import { Field } from "../ui/Field";
import { Spinner } from "../ui/Spinner";
import type { Doc, Fields } from "./document";
import type { Schema } from "./form/schema";
import { SchemaForm } from "./form/SchemaForm";
import { placesOf } from "./places";
import { wordsOf } from "./problems";
import { defaultsOf } from "./RunDialog";
import { useDraft } from "./store";

/** Begin with what a template makes of some values. The draft is a document like any other from there on. */
export function TemplateDialog({ onClose, onOpened }: { onClose: () => void; onOpened: (name: string) => void }) {
  const id = useId();
  const [name, setName] = useState("");
  const [given, setGiven] = useState<Fields>({});
  const templates = useQuery({ queryKey: ["templates"], queryFn: async () => (await api.get("/templates", { query: { limit: 200 } })).results });
  const template = useQuery({ queryKey: ["template", name], queryFn: () => api.get("/templates/{name}", { path: { name } }), enabled: name !== "" });
  const schema = template.data?.values_schema as Schema | undefined;
  const values = schema ? { ...defaultsOf(schema), ...given } : given;
  const preview = useMutation({
    mutationFn: () => api.post("/templates/{name}/preview", { path: { name }, body: { values } }),
    onSuccess: ({ document, problems, source }) => {
      if (!document || problems.length) return;
      const says = document as Doc;
      useDraft.getState().change({ document: says, positions: placesOf(says, {}), source: { text: source, format: "yaml", says } }, { select: [] });
      onOpened(name);
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (schema && !preview.isPending) preview.mutate();
  };
  const problems = preview.data?.problems ?? [];
  const fields = Object.keys(schema?.properties ?? {});
  const at = (path: string) => problems.filter((each) => each.path === `values.${path}` || each.path.startsWith(`values.${path}.`) || each.path.startsWith(`values.${path}[`)).map(wordsOf);
  const others = problems.filter(({ path }) => !fields.some((field) => path.split(/[.[]/)[1] === field && path.startsWith("values.")));
  const error = templates.error ?? template.error ?? preview.error;
  return (
    <Dialog
      title={t("designer.from_template")}
      onClose={onClose}
      actions={
        <>
          <Button label={t("ui.cancel")} onClick={onClose} />
          <Button look="primary" label={t("designer.open_as_draft")} type="submit" form={id} disabled={!schema || preview.isPending} />
        </>
      }
    >
      <form id={id} onSubmit={submit}>
        {error && <ErrorNote error={error} />}
        {!templates.data && !templates.error && <Spinner />}
        {templates.data?.length === 0 && <p className="ui-muted">{t("designer.no_templates")}</p>}
        {templates.data && templates.data.length > 0 && (
          <Field id={`${id}-name`} label={t("designer.template")} hint={template.data?.description || undefined}>
            <select
              id={`${id}-name`}
              className="ui-input"
              value={name}
              onChange={(event) => {
                setName(event.target.value);
                setGiven({});
                preview.reset();
              }}
            >
              <option value="">–</option>
              {templates.data.map((each) => (
                <option key={each.name} value={each.name}>
                  {each.title || each.name}
                </option>
              ))}
            </select>
          </Field>
        )}
        {name !== "" && !schema && !template.error && <Spinner />}
        {schema && <SchemaForm key={name} schema={schema} root={schema} value={values} problemsAt={at} onChange={setGiven} />}
        {others.length > 0 && (
          <ul className="ui-problems">
            {others.map((problem) => (
              <li key={problem.path + problem.code}>
                <code>{problem.path}</code> {wordsOf(problem)}
              </li>
            ))}
          </ul>
        )}
        {schema && <p className="ui-muted">{t("designer.template_hint")}</p>}
      </form>
    </Dialog>
  );
}
