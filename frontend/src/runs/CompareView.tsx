import { useQuery } from "@tanstack/react-query";
import { useMemo, useState } from "react";

import { api } from "../lib/api";
import { t } from "../lib/i18n";
import { ErrorNote, Spinner, StateBadge } from "../ui";
import { chooseTask, setAddress, useParam } from "./address";
import { compared, type ComparedTask } from "./comparison";
import type { RunModel } from "./reducer";
import type { RunProps } from "./RunPage";
import type { Snapshot } from "./types";
import { useNow } from "./useRun";
import { duration, moment, stateWord } from "./words";

/** This run beside another one of the DAG. */
export function CompareView({ model, links }: { model: RunModel; links: RunProps["links"] }) {
  const { run } = model;
  const runs = useQuery({
    queryKey: ["runs", run.dag_id],
    queryFn: () => api.get("/runs", { query: { dag: run.dag_id, limit: 50 } }),
  });
  const others = runs.data?.results.filter((other) => other.id !== run.id) ?? [];
  const before = others.find((other) => other.id < run.id && other.state === "success") ?? others[0];
  const other = Number(useParam("with")) || before?.id;
  if (runs.error) return <ErrorNote error={runs.error} onRetry={() => void runs.refetch()} />;
  if (!runs.data) return <Spinner />;
  if (!other) return <p className="ui-muted">{t("run.compare.alone")}</p>;
  return (
    <div className="compare" data-testid="compare">
      <label className="ui-row">
        {t("run.compare.with")}
        <select className="ui-input" value={other} onChange={(event) => setAddress({ with: event.target.value })}>
          {!others.some((one) => one.id === other) && <option value={other}>{t("run.number", { id: String(other) })}</option>}
          {others.map((one) => (
            <option key={one.id} value={one.id}>
              {`${t("run.number", { id: String(one.id) })} · ${stateWord(one.state)} · ${moment(one.created_at)}`}
            </option>
          ))}
        </select>
      </label>
      <Beside model={model} other={other} links={links} />
    </div>
  );
}

function Beside({ model, other, links }: { model: RunModel; other: number; links: RunProps["links"] }) {
  const [all, setAll] = useState(false);
  const theirs = useQuery({
    queryKey: ["snapshot", other],
    queryFn: () => api.get("/runs/{run_id}/snapshot", { path: { run_id: other } }),
  });
  const now = useNow(model.skew, !model.run.ended_at);
  const found = useMemo(() => {
    const ours: Snapshot = { run: model.run, tasks: model.tasks, cursor: 0, now: "" };
    return theirs.data ? compared(theirs.data, ours, now) : null;
  }, [theirs.data, model, now]);
  if (theirs.error) return <ErrorNote error={theirs.error} onRetry={() => void theirs.refetch()} />;
  if (!found) return <Spinner />;
  const shown = all ? found.tasks : found.tasks.filter((task) => task.differs);
  return (
    <>
      {found.params.length > 0 && <Params params={found.params} runs={[other, model.run.id]} />}
      <label className="compare-all">
        <input type="checkbox" checked={all} onChange={(event) => setAll(event.target.checked)} /> {t("run.compare.all", { count: found.tasks.length })}
      </label>
      {shown.length === 0 ? (
        <p>{t("run.compare.same")}</p>
      ) : (
        <div className="compare-scroll">
          <table className="ui-table">
            <thead>
              <tr>
                <th scope="col">{t("run.task")}</th>
                <th scope="col" colSpan={2}>
                  <a href={links.run.replace("/0/", `/${other}/`)}>{t("run.number", { id: String(other) })}</a>
                </th>
                <th scope="col" colSpan={2}>{t("run.number", { id: String(model.run.id) })}</th>
                <th scope="col">{t("run.compare.change")}</th>
              </tr>
            </thead>
            <tbody>{shown.map((task) => <Row key={task.task_id} task={task} />)}</tbody>
          </table>
        </div>
      )}
    </>
  );
}

function Row({ task }: { task: ComparedTask }) {
  const [a, b] = task.took;
  return (
    <tr className={task.differs ? "is-different" : undefined}>
      <th scope="row">
        <button type="button" className="run-plain-button" onClick={() => chooseTask(task.task_id)}>{task.task_id}</button>
      </th>
      {([0, 1] as const).map((side) => (
        <SideCells key={side} state={task.states[side]} took={task.took[side]} attempts={task.attempts[side]} />
      ))}
      <td>{a !== null && b !== null && Math.abs(b - a) >= 100 ? `${b > a ? "+" : "−"}${duration(Math.abs(b - a))}` : ""}</td>
    </tr>
  );
}

function SideCells({ state, took, attempts }: { state: string | null; took: number | null; attempts: number }) {
  return (
    <>
      <td>{state ? <StateBadge state={state} small /> : "–"}</td>
      <td>
        {took === null ? "" : duration(took)} {attempts > 1 && <span className="ui-muted">{t("run.attempt_n", { n: attempts })}</span>}
      </td>
    </>
  );
}

function Params({ params, runs }: { params: { name: string; values: [unknown, unknown] }[]; runs: [number, number] }) {
  return (
    <table className="ui-table">
      <caption className="ui-hidden">{t("run.params")}</caption>
      <thead>
        <tr>
          <th scope="col">{t("run.params")}</th>
          {runs.map((id) => (
            <th key={id} scope="col">{t("run.number", { id: String(id) })}</th>
          ))}
        </tr>
      </thead>
      <tbody>
        {params.map(({ name, values }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            {values.map((value, side) => (
              <td key={side}><code>{value === undefined ? "–" : JSON.stringify(value)}</code></td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
