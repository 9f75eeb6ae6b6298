import { type KeyboardEvent, type ReactNode, useId, useRef } from "react";

export interface Tab {
  id: string;
  label: string;
  extra?: ReactNode;
}

interface Props {
  tabs: Tab[];
  active: string;
  onChange: (id: string) => void;
  label: string;
  children: ReactNode;
}

const STEPS: Record<string, number> = { ArrowRight: 1, ArrowLeft: -1 };

/** Tabs after the ARIA pattern: arrows walk, one tab stop. */
export function Tabs({ tabs, active, onChange, label, children }: Props) {
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const walk = (event: KeyboardEvent) => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const now = tabs.findIndex((tab) => tab.id === active);
    const next = (now + step + tabs.length) % tabs.length;
    const found = tabs[next];
    if (found) onChange(found.id);
    list.current?.querySelectorAll<HTMLButtonElement>("[role=tab]")[next]?.focus();
  };
  return (
    <div className="ui-tabs">
      <div className="ui-tablist" role="tablist" aria-label={label} ref={list} onKeyDown={walk}>
        {tabs.map((tab) => (
          <button
            key={tab.id}
            type="button"
            role="tab"
            id={`${id}-${tab.id}`}
            aria-selected={tab.id === active}
            aria-controls={`${id}-body`}
            tabIndex={tab.id === active ? 0 : -1}
            className="ui-tab"
            onClick={() => onChange(tab.id)}
          >
            {tab.label} {tab.extra}
          </button>
        ))}
      </div>
      <div className="ui-tabbody" role="tabpanel" id={`${id}-body`} aria-labelledby={`${id}-${active}`}>
        {children}
      </div>
    </div>
  );
}
