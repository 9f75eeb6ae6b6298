import { useId, useMemo, useState } from "react";

import { t } from "../lib/i18n";
import { Button } from "../ui/Button";
import { Field } from "../ui/Field";
import type { Doc } from "./document";
import { connect, disconnect, edgesOf } from "./edges";
import { useDraft } from "./store";

const OFFERED = 50;

interface Props {
  id: string;
  document: Doc;
  ids: string[];
  problems: string[];
  disabled: boolean;
}

/** Connecting without a mouse: the upstreams of a task, each with a way to cut it, and a field to add one. */
export function DependsOn({ id, document, ids, problems, disabled }: Props) {
  const name = useId();
  const [typed, setTyped] = useState("");
  const change = useDraft((state) => state.change);
  const edges = useMemo(() => edgesOf(document).filter((edge) => edge.target === id), [document, id]);
  const free = useMemo(() => {
    const taken = new Set([id, ...edges.map((edge) => edge.source)]);
    return ids.filter((each) => !taken.has(each));
  }, [ids, edges, id]);
  const offered = free.filter((each) => each.toLowerCase().includes(typed.toLowerCase())).slice(0, OFFERED);
  const add = (source: string) => {
    if (!free.includes(source)) return;
    change({ document: connect(document, source, id) });
    setTyped("");
  };
  return (
    <Field id={name} label={t("field.depends_on")} hint={t("designer.depends_hint")} problems={problems}>
      {edges.length > 0 && (
        <ul className="depends" aria-label={t("field.depends_on")}>
          {edges.map((edge) => (
            <li key={edge.source}>
              <span>
                {edge.source}
                {edge.label && <span className="ui-muted"> {edge.label}</span>}
              </span>
              {!disabled && (
                <Button icon="x" bare look="ghost" label={t("designer.cut", { source: edge.source })} onClick={() => change({ document: disconnect(document, edge.source, id) })} />
              )}
            </li>
          ))}
        </ul>
      )}
      {!disabled && (
        <>
          <input
            id={name}
            className="ui-input"
            list={`${name}-ids`}
            value={typed}
            disabled={free.length === 0}
            placeholder={t("designer.add_upstream")}
            autoComplete="off"
            onChange={(event) => {
              const exact = free.includes(event.target.value) && !(event.nativeEvent as InputEvent).inputType;
              setTyped(event.target.value);
              if (exact) add(event.target.value);
            }}
            onKeyDown={(event) => event.key === "Enter" && add(typed.trim())}
            onBlur={() => add(typed.trim())}
          />
          <datalist id={`${name}-ids`}>
            {offered.map((each) => (
              <option key={each} value={each} />
            ))}
          </datalist>
        </>
      )}
    </Field>
  );
}
