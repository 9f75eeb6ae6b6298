import { useQuery } from "@tanstack/react-query";
import { useState } from "react";

import { api } from "../lib/api";
import { t } from "../lib/i18n";
import { Button, ErrorNote, Panel, Spinner, StateBadge, Tabs } from "../ui";
import { type Action, ActionDialog } from "./ActionDialog";
import { chooseTask, setAddress, useParam } from "./address";
import { Attempts } from "./Attempts";
import { ExplainTask } from "./Explain";
import { Inputs } from "./Inputs";
import { Json } from "./Json";
import { LogViewer } from "./LogViewer";
import type { RunModel } from "./reducer";
import type { RunProps } from "./RunPage";
import { FINAL, type TaskPicture } from "./types";
import { reasonWord } from "./words";

interface Props {
  model: RunModel;
  task: TaskPicture;
  props: RunProps;
  onDone: () => void;
}

/** One task: what became of it, its log, its output, why it stands where it stands, and what can be done. */
export function TaskPanel({ model, task, props, onDone }: Props) {
  const [action, setAction] = useState<Action | null>(null);
  const item = useItem();
  const given = useParam("tab");
  const tabs = tabsOf(props, task);
  const usual = FINAL.has(task.state) || task.state === "running" || task.state === "retrying" ? "log" : "why";
  const tab = tabs.find((one) => one.id === given)?.id ?? tabs.find((one) => one.id === usual)?.id ?? "attempts";
  const operate = props.permissions.operate && !model.run.deleted_at && model.run.state !== "pending";
  return (
    <Panel
      className="task-panel"
      title={task.name && task.name !== task.task_id ? `${task.name} (${task.task_id})` : task.task_id}
      actions={<Button icon="x" bare look="ghost" label={t("ui.close")} onClick={() => chooseTask(null)} />}
    >
      <div className="ui-row task-facts">
        <StateBadge state={task.state} />
        {task.reason && task.reason !== task.state && <span className="ui-muted">{reasonWord(task.reason)}</span>}
        <span className="ui-muted">{task.type}</span>
        {task.attempt > 0 && <span className="ui-muted">{t("run.attempt_n", { n: task.attempt })}</span>}
        {task.node && <span className="ui-muted ui-mono">{task.node}</span>}
      </div>
      {task.message && <p className={FINAL.has(task.state) ? "task-message is-final" : "task-message"}>{task.message}</p>}
      {(operate || props.links.designer) && (
        <div className="ui-row task-actions">
          {props.links.designer && <a className="ui-button" href={`${props.links.designer}?task=${encodeURIComponent(task.task_id)}`}>{t("run.to_designer")}</a>}
          {operate && task.ended_at && <Button icon="rotate-ccw" label={t("run.clear")} onClick={() => setAction({ kind: "clear", task: task.task_id })} />}
          {operate && task.state !== "success" && <Button icon="check" label={t("run.mark_success")} onClick={() => setAction({ kind: "mark", task: task.task_id, state: "success" })} />}
          {operate && task.state !== "failed" && <Button icon="x" look="danger" label={t("run.mark_failed")} onClick={() => setAction({ kind: "mark", task: task.task_id, state: "failed" })} />}
        </div>
      )}
      {task.mapped && <Items task={task} item={item} />}
      <Tabs tabs={tabs} active={tab} onChange={(id) => setAddress({ tab: id }, true)} label={t("run.task_parts")}>
        <Body tab={tab} run={model.run.id} task={task} item={item} />
      </Tabs>
      {action && <ActionDialog action={action} model={model} onClose={() => setAction(null)} onDone={onDone} />}
    </Panel>
  );
}

function tabsOf(props: RunProps, task: TaskPicture): { id: string; label: string }[] {
  const names = ["log", "attempts", "inputs", "output", "why"].filter((name) => name !== "log" || (props.permissions.logs && task.id > 0));
  return names.map((id) => ({ id, label: t(`run.tab.${id}`) }));
}

function useItem(): number {
  const given = useParam("item");
  return given && /^\d{1,9}$/.test(given) ? Number(given) : -1;
}

function Body({ tab, run, task, item }: { tab: string; run: number; task: TaskPicture; item: number }) {
  const attempt = Number(useParam("attempt")) || (item < 0 ? task.attempt : 0);
  const key = `${item}:${attempt}`;
  const settled = item < 0 && FINAL.has(task.state);
  if (tab === "log") return <LogViewer key={key} run={run} task={task.task_id} mapIndex={item} attempt={attempt} moving={!settled} />;
  if (tab === "attempts") return <Attempts run={run} task={task} mapIndex={item} />;
  if (tab === "inputs") return <Inputs run={run} task={task} mapIndex={item} attempt={attempt} />;
  if (tab === "why") return <ExplainTask run={run} task={task.task_id} mapIndex={item} state={task.state} />;
  return <Output run={run} task={task} mapIndex={item} />;
}

function Output({ run, task, mapIndex }: { run: number; task: TaskPicture; mapIndex: number }) {
  const found = useQuery({
    queryKey: ["task", run, task.task_id, mapIndex, task.state, task.attempt],
    queryFn: () => api.get("/runs/{run_id}/tasks/{task_id}", { path: { run_id: run, task_id: task.task_id }, query: { map_index: mapIndex } }),
  });
  if (found.error) return <ErrorNote error={found.error} onRetry={() => void found.refetch()} />;
  if (!found.data) return <Spinner />;
  const { output, item } = found.data;
  return (
    <>
      {mapIndex >= 0 && <Json title={t("run.item")} value={item} />}
      {output === null || output === undefined ? <p className="ui-muted">{t("run.no_output")}</p> : <Json title={t("run.tab.output")} value={output} />}
    </>
  );
}

function Items({ task, item }: { task: TaskPicture; item: number }) {
  const count = Object.values(task.items).reduce((sum, one) => sum + one, 0);
  return (
    <div className="ui-row task-items">
      {Object.entries(task.items).map(([state, number]) => (
        <span key={state} className="ui-row"><StateBadge state={state} small /> {number}</span>
      ))}
      <label className="ui-row">
        {t("run.item")}
        <input
          className="ui-input task-item"
          type="number"
          min={-1}
          max={count - 1}
          value={item < 0 ? "" : item}
          placeholder={t("run.all_items")}
          onChange={(event) => setAddress({ item: event.target.value, attempt: null, line: null })}
        />
      </label>
    </div>
  );
}
