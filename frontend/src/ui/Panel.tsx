import { type ReactNode, useId } from "react";

interface Props {
  title: string;
  actions?: ReactNode;
  className?: string;
  children: ReactNode;
}

/** A titled region of the page. */
export function Panel({ title, actions, className = "", children }: Props) {
  const id = useId();
  return (
    <section className={`ui-panel ${className}`} aria-labelledby={id}>
      <header className="ui-panel-head">
        <h2 id={id}>{title}</h2>
        {actions && <div className="ui-row">{actions}</div>}
      </header>
      <div className="ui-panel-body">{children}</div>
    </section>
  );
}
