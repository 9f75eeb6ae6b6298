import { describe, expect, it } from "vitest";

import { plainText, spansOf } from "../../src/runs/ansi";
import { grownDown, grownUp, linesOf, type LogWindow, MOST_CHARS, neighbour, numbered, opened, parsePlace, placeOf } from "../../src/runs/logWindow";
import type { LogChunk } from "../../src/runs/types";

const ESC = "\x1b";

describe("colours", () => {
  it("become classes of a fixed list", () => {
    expect(spansOf(`a${ESC}[1;31mred${ESC}[0m b${ESC}[94;44mblue${ESC}[39;49m.`)).toEqual([
      { text: "a", classes: "" },
      { text: "red", classes: "ansi-bold ansi-fg-1" },
      { text: " b", classes: "" },
      { text: "blue", classes: "ansi-fg-12 ansi-bg-4" },
      { text: ".", classes: "" },
    ]);
  });

  it("from larger palettes keep sixteen", () => {
    expect(spansOf(`${ESC}[38;5;9mx${ESC}[38;5;200my${ESC}[38;2;1;31;3mz`).map((span) => span.classes)).toEqual(["ansi-fg-9", ""]);
  });

  it("and nothing else of an escape comes through", () => {
    const nasty = `${ESC}]8;;http://x${ESC}\\link${ESC}]8;;${ESC}\\${ESC}[2J${ESC}[?25l${ESC}c\x07<b>&${ESC}]0;title\x07!${ESC}`;
    expect(plainText(nasty)).toBe("link<b>&!");
    expect(spansOf(nasty)).toEqual([{ text: "link<b>&!", classes: "" }]);
  });

  it("follow what a carriage return leaves", () => {
    expect(plainText("10 %\r100 %\r")).toBe("100 %");
    expect(plainText("tab\there")).toBe("tab\there");
  });
});

function chunk(seq: number, text: string): LogChunk {
  return { seq, stream: "stdout", text, at: "" };
}

function windowOf(...texts: string[]): LogWindow {
  return opened({ chunks: texts.map((text, seq) => chunk(seq, text)), begins: true, complete: true, first_line: null });
}

describe("a window of a log", () => {
  it("puts lines together however they were cut", () => {
    const whole = ["one", "two", "", "three"];
    for (const texts of [["one\ntwo\n\nthree"], ["on", "e\nt", "wo\n", "\nthr", "ee"], ["one\n", "two\n", "\n", "three"]]) {
      const lines = linesOf(windowOf(...texts));
      expect(lines.map((line) => line.text)).toEqual(whole);
      expect(lines.map((line) => line.number)).toEqual([1, 2, 3, 4]);
    }
    expect(linesOf(windowOf("one\n", "two\nthree")).map(placeOf)).toEqual(["0.0", "1.0", "1.1"]);
  });

  it("grows at both ends and keeps the numbers right", () => {
    const middle = opened({ chunks: [chunk(2, "c\n")], begins: false, complete: false, first_line: 3 });
    const up = grownUp(middle, { chunks: [chunk(0, "a\n"), chunk(1, "b\n")], begins: true, complete: false, first_line: null });
    const all = grownDown(up, { chunks: [chunk(2, "c\n"), chunk(3, "d\n")], begins: false, complete: true, first_line: null });
    expect(linesOf(all).map((line) => [line.number, line.text])).toEqual([[1, "a"], [2, "b"], [3, "c"], [4, "d"]]);
    expect([all.begins, all.complete]).toEqual([true, true]);
  });

  it("learns its numbers from any of its chunks", () => {
    const middle = opened({ chunks: [chunk(7, "c\n"), chunk(8, "d\n")], begins: false, complete: false, first_line: null });
    expect(linesOf(numbered(middle, 8, 41)).map((line) => line.number)).toEqual([40, 41]);
    expect(numbered(middle, 3, 41)).toBe(middle);
  });

  it("never holds more than a page can show", () => {
    const big = `${"x".repeat(99)}\n`.repeat(5_000);
    let window = windowOf(big);
    for (let seq = 1; seq < 6; seq++) {
      window = grownDown(window, { chunks: [chunk(seq, big)], begins: false, complete: false, first_line: null });
    }
    expect(window.chunks.reduce((sum, { text }) => sum + text.length, 0)).toBeLessThanOrEqual(MOST_CHARS);
    expect([window.begins, window.firstLine, window.chunks[0]?.seq]).toEqual([false, 15_001, 3]);
    const back = grownUp(window, { chunks: [chunk(2, big)], begins: false, complete: false, first_line: null });
    expect([back.firstLine, back.chunks[0]?.seq, back.complete]).toEqual([10_001, 2, false]);
  });

  it("names lines in addresses", () => {
    expect(parsePlace(placeOf({ seq: 12, line: 3 }))).toEqual({ seq: 12, line: 3 });
    expect([parsePlace("12"), parsePlace(null), parsePlace("1.2.3")]).toEqual([null, null, null]);
  });
});

describe("the marked line", () => {
  it("moves up and down by keys", () => {
    const lines = linesOf(opened({ chunks: [chunk(0, "a\nb\nc\n")], begins: true, complete: true, first_line: 1 }));
    const names = (marked: string | null) => [neighbour(lines, marked, false)?.text, neighbour(lines, marked, true)?.text];
    expect(names(null)).toEqual(["c", "a"]);
    expect(names("0.1")).toEqual(["a", "c"]);
    expect(names("0.2")).toEqual(["b", undefined]);
  });
});
