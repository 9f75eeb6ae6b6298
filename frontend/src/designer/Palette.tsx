import { type KeyboardEvent, type Ref, useRef, useState } from "react";

import { DRAG_TYPE } from "../graph/Graph";
import { hasWords, said, t } from "../lib/i18n";
import { Icon } from "../ui/Icon";
import type { TaskType } from "./server";

interface Props {
  types: TaskType[];
  onAdd: (type: string, connected: boolean) => void;
  searchRef?: Ref<HTMLInputElement>;
  /** Says on each button that it is dragged, too. */
  draggable?: boolean;
  autoFocus?: boolean;
}

/** The title of a task type in the reader's language. */
export function titleOf(type: { name: string; title?: string }): string {
  return hasWords(`type.${type.name}`) ? t(`type.${type.name}`) : (type.title ?? type.name);
}

/** The task types: drag one to the canvas, or press Enter on it. */
export function Palette({ types, onAdd, searchRef, draggable = true, autoFocus = false }: Props) {
  const [search, setSearch] = useState("");
  const list = useRef<HTMLUListElement>(null);
  const words = search.trim().toLowerCase();
  const found = types.filter((type) => `${type.name} ${titleOf(type)} ${type.title} ${type.description}`.toLowerCase().includes(words));
  const walk = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = [...(list.current?.querySelectorAll<HTMLButtonElement>("button") ?? [])];
    const at = buttons.indexOf(document.activeElement as HTMLButtonElement);
    buttons[Math.max(0, Math.min(buttons.length - 1, at + step))]?.focus();
  };
  return (
    <div className="palette" onKeyDown={walk}>
      <label className="palette-search">
        <Icon name="search" />
        <span className="ui-hidden">{t("designer.search_types")}</span>
        <input
          ref={searchRef}
          className="ui-input"
          type="search"
          autoFocus={autoFocus}
          placeholder={t("designer.search_types")}
          value={search}
          onChange={(event) => setSearch(event.target.value)}
          onKeyDown={(event) => {
            const first = found[0];
            if (event.key === "Enter" && first) onAdd(first.name, event.shiftKey);
          }}
        />
      </label>
      <ul ref={list}>
        {found.map((type) => (
          <li key={type.name}>
            <button
              type="button"
              className="palette-type"
              title={said(type.description)}
              draggable={draggable}
              onDragStart={(event) => {
                event.dataTransfer.setData(DRAG_TYPE, type.name);
                event.dataTransfer.effectAllowed = "copy";
              }}
              onClick={(event) => onAdd(type.name, event.shiftKey)}
            >
              <Icon name={type.icon} size={18} />
              <span>{titleOf(type)}</span>
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
