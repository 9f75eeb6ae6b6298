import { Icon } from "./Icon";
import { lookOf, stateWord } from "./states";

/** A state by its colour, its picture and its word. */
export function StateBadge({ state, small = false }: { state: string; small?: boolean }) {
  const look = lookOf(state);
  return (
    <span className={`ui-state${small ? " ui-small" : ""}`} style={{ color: look.colour }} data-state={state}>
      <Icon name={look.icon} size={small ? 13 : 15} />
      {stateWord(state)}
    </span>
  );
}
