import type { Problem } from "../lib/api";
import { t } from "../lib/i18n";
import { Dialog } from "../ui/Dialog";
import { wordsOf } from "./problems";

interface Props {
  problems: Problem[];
  onClose: () => void;
  /** Go to the tasks of a problem; to the DAG itself when it has none. */
  onChoose: (tasks: string[]) => void;
}

/** Every problem of the draft, each with the way to it. */
export function ProblemsDialog({ problems, onClose, onChoose }: Props) {
  return (
    <Dialog title={t("designer.problems")} onClose={onClose}>
      <ul className="problem-list">
        {problems.map((problem, at) => (
          <li key={at}>
            <button type="button" onClick={() => onChoose(problem.tasks)}>
              <strong>{problem.tasks.join(", ") || t("designer.of_the_dag")}</strong> {problem.path && <code>{problem.path}</code>}
              <span className="ui-problems">{wordsOf(problem)}</span>
            </button>
          </li>
        ))}
      </ul>
    </Dialog>
  );
}
