import { mount } from "../lib/mount";
import { RunPage } from "../runs/RunPage";

void mount("run", RunPage);
