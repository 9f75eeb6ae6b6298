import type { ButtonHTMLAttributes, Ref } from "react";

import { Icon } from "./Icon";

interface Props extends ButtonHTMLAttributes<HTMLButtonElement> {
  icon?: string;
  look?: "plain" | "primary" | "danger" | "ghost";
  /** The picture alone: the label is read out and shown as a tip. */
  bare?: boolean;
  label: string;
  ref?: Ref<HTMLButtonElement>;
}

/** A button that never submits a form by accident. */
export function Button({ icon, look = "plain", bare = false, label, className = "", ...rest }: Props) {
  return (
    <button
      type="button"
      {...rest}
      className={`ui-button ui-${look}${bare ? " ui-bare" : ""} ${className}`}
      aria-label={bare ? label : rest["aria-label"]}
      title={rest.title ?? (bare ? label : undefined)}
    >
      {icon && <Icon name={icon} />}
      {!bare && label}
    </button>
  );
}
