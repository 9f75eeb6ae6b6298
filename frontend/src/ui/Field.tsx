import type { ReactNode } from "react";

interface Props {
  id: string;
  label: string;
  hint?: string;
  problems?: string[];
  required?: boolean;
  /** More than one control, each with a name of its own: the label names their group. */
  group?: boolean;
  children: ReactNode;
}

/** The ids by which a control names its hint and its problems. */
function describedBy(id: string, hint?: string, problems?: string[]): string | undefined {
  const ids = [hint ? `${id}-hint` : "", problems?.length ? `${id}-problems` : ""].filter(Boolean);
  return ids.join(" ") || undefined;
}

/** What a control says of itself beside its label: what describes it, whether it is required, whether it is wrong. */
export function ariaOf(id: string, { hint, problems, required }: Pick<Props, "hint" | "problems" | "required">) {
  return {
    "aria-describedby": describedBy(id, hint, problems),
    "aria-required": required || undefined,
    "aria-invalid": problems?.length ? true : undefined,
  };
}

/** A labelled control with its hint and its problems. */
export function Field({ id, label, hint, problems, required = false, group = false, children }: Props) {
  const text = (
    <>
      {label}
      {required && <span aria-hidden="true"> *</span>}
    </>
  );
  return (
    <div className={`ui-field${problems?.length ? " ui-wrong" : ""}`}>
      {group ? (
        <span className="ui-label" id={`${id}-label`}>
          {text}
        </span>
      ) : (
        <label htmlFor={id}>{text}</label>
      )}
      {group ? (
        <div role="group" aria-labelledby={`${id}-label`} aria-describedby={describedBy(id, hint, problems)}>
          {children}
        </div>
      ) : (
        children
      )}
      {hint && (
        <p className="ui-hint" id={`${id}-hint`}>
          {hint}
        </p>
      )}
      {problems && problems.length > 0 && (
        <ul className="ui-problems" id={`${id}-problems`}>
          {problems.map((problem) => (
            <li key={problem}>{problem}</li>
          ))}
        </ul>
      )}
    </div>
  );
}
