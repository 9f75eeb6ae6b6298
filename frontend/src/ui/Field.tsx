import type { ReactNode } from "react";

interface Props {
  id: string;
  label: string;
  hint?: string;
  problems?: string[];
  required?: boolean;
  children: ReactNode;
}

/** The ids by which a control names its hint and its problems. */
export function describedBy(id: string, hint?: string, problems?: string[]): string | undefined {
  const ids = [hint ? `${id}-hint` : "", problems?.length ? `${id}-problems` : ""].filter(Boolean);
  return ids.join(" ") || undefined;
}

/** A labelled control with its hint and its problems. */
export function Field({ id, label, hint, problems, required = false, children }: Props) {
  return (
    <div className={`ui-field${problems?.length ? " ui-wrong" : ""}`}>
      <label htmlFor={id}>
        {label}
        {required && <span aria-hidden="true"> *</span>}
      </label>
      {children}
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
