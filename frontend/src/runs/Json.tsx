/** A value as text that can be selected. */
export function Json({ title, value }: { title: string; value: unknown }) {
  return (
    <pre className="task-json" tabIndex={0} aria-label={title}>
      {typeof value === "string" ? value : JSON.stringify(value, null, 2)}
    </pre>
  );
}
