import { Handle, type Node, type NodeProps, Position, type ReactFlowState, useStore } from "@xyflow/react";
import { memo } from "react";

import { t } from "../lib/i18n";
import { Icon } from "../ui/Icon";
import { StateBadge } from "../ui/StateBadge";
import { lookOf } from "../ui/states";
import type { GraphNode } from "./types";

export type TaskFlowNode = Node<{ node: GraphNode }, "task">;

const FAR = 0.35; // below this zoom no word can be read
const TINY = 0.12; // and below this one no picture

function isFar(state: ReactFlowState): boolean {
  return state.transform[2] < FAR;
}

function isTiny(state: ReactFlowState): boolean {
  return state.transform[2] < TINY;
}

/** One task on the canvas: picture, name, type, state, problems. */
export const TaskNode = memo(function TaskNode({ data, selected, isConnectable }: NodeProps<TaskFlowNode>) {
  const { node } = data;
  const far = useStore(isFar);
  const problems = node.problems?.length ?? 0;
  const classes = ["graph-node", selected && "is-selected", problems && "is-wrong", node.mark && `is-${node.mark}`, node.dim && "is-dim"];
  if (far) return <FarNode node={node} classes={classes} />;
  return (
    <div
      className={classes.filter(Boolean).join(" ")}
      style={node.state ? { borderLeftColor: lookOf(node.state).colour } : undefined}
      data-task={node.id}
    >
      <Handle type="target" position={Position.Left} isConnectable={isConnectable} />
      <span className="graph-icon">
        <Icon name={node.icon ?? "box"} size={18} />
      </span>
      <span className="graph-words">
        <span className="graph-name" title={node.label}>
          {node.label}
        </span>
        <span className="graph-second">
          {node.state ? <StateBadge state={node.state} small /> : node.type}
          {node.note && <span className="graph-note"> {node.note}</span>}
        </span>
      </span>
      {problems > 0 && (
        <span className="graph-problems" title={node.problems?.join("\n")}>
          <Icon name="triangle-alert" size={14} />
          <span className="ui-hidden">{t("graph.problems", { count: problems })}</span>
        </span>
      )}
      <Handle type="source" position={Position.Right} isConnectable={isConnectable} />
    </div>
  );
});

/** A task from afar: colour and picture of its state. A graph of a thousand tasks is shown at once that way. */
function FarNode({ node, classes }: { node: GraphNode; classes: (string | number | boolean | undefined)[] }) {
  const tiny = useStore(isTiny);
  const look = node.state ? lookOf(node.state) : undefined;
  return (
    <div className={[...classes, "is-far"].filter(Boolean).join(" ")} data-task={node.id} title={node.label}>
      <span className="graph-far" data-state={node.state} style={{ background: look?.colour }} />
      {look && !tiny && <Icon name={look.icon} size={36} />}
    </div>
  );
}
