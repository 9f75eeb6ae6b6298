import { type ReactNode, useEffect, useId, useRef } from "react";

import { t } from "../lib/i18n";
import { Button } from "./Button";

interface Props {
  title: string;
  onClose: () => void;
  actions?: ReactNode;
  wide?: boolean;
  children: ReactNode;
}

/** A modal dialogue: the browser's own, which keeps the focus and closes by Escape. Its first control has the focus. */
export function Dialog({ title, onClose, actions, wide = false, children }: Props) {
  const id = useId();
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    if (dialog && !dialog.open) {
      dialog.showModal();
      dialog.querySelector<HTMLElement>(".ui-dialog-body :is(input, textarea, select, button)")?.focus();
    }
    return () => dialog?.close();
  }, []);
  return (
    <dialog
      ref={element}
      // nokey: what is pressed in here is not for a canvas behind it.
      className={`ui-dialog nokey${wide ? " ui-wide" : ""}`}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header className="ui-panel-head">
        <h2 id={id}>{title}</h2>
        <Button icon="x" bare look="ghost" label={t("ui.close")} onClick={onClose} />
      </header>
      <div className="ui-dialog-body">{children}</div>
      {actions && <footer className="ui-dialog-foot">{actions}</footer>}
    </dialog>
  );
}
