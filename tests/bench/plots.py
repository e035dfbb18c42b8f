"""
The series of a run as SVG, drawn by gnuplot.
"""
import os
import subprocess
from typing import NamedTuple

import tools

HEAD = """\
set terminal svg size 860,400 dynamic enhanced font "sans-serif,13" background "#ffffff"
set output "{path}"
set title "{title}" noenhanced
set style data histograms
set style histogram clustered gap 1.5
set style fill solid 1.0 border lt -1
set boxwidth 0.9
set border 3
set tics nomirror
set grid ytics lt 1 lc rgb "#dddddd"
set ylabel "{unit}" noenhanced
set yrange [{lowest}:*]
set format y "%'.0f"
set xtics noenhanced
set key outside right top reverse Left noenhanced
{more}
"""
COLOURS = {"allowd": "#1b6ca8", "nginx": "#3a9d5d", "HAProxy": "#e0a030", "Go": "#8e6bbf", "Redis": "#c4473a",
           "bare libmicrohttpd": "#9fc5e0", "epoll loop": "#c8c8c8"}


class Plot(NamedTuple):
    """Bars: a group for each of these columns, a bar for each peer."""
    file: str
    series: str
    columns: tuple
    title: str
    unit: str
    is_log: bool = False

    def script(self, series, folder):
        """What gnuplot is told."""
        at = [series["columns"].index(column) for column in self.columns]
        names = [row[0] for row in series["rows"]]
        lines = [HEAD.format(path=os.path.join(folder, self.file), title=self.title, unit=self.unit,
                             lowest="1" if self.is_log else "0", more="set logscale y" if self.is_log else ""),
                 "$data << END"]
        for column, index in zip(self.columns, at):
            lines.append(" ".join([f'"{column}"', *(f"{row[index]:.3f}" for row in series["rows"])]))
        bars = [f'$data using {i + 2}{":xtic(1)" if i == 0 else ""} title "{name}" '
                f'lc rgb "{COLOURS.get(name, "#888888")}"' for i, name in enumerate(names)]
        return "\n".join([*lines, "END", "plot " + ", ".join(bars), ""])


PLOTS = (
    Plot("rate.svg", "rate", ("1", "64", "1000"), "Requests/s by connections, one core (more is better)", "requests/s"),
    Plot("processor.svg", "processor", ("8", "64", "1000"),
         "Processor time a request by connections, whole server (less is better)", "µs"),
    Plot("pipelines.svg", "pipelines", ("redis-benchmark", "pipe"),
         "Processor time a decision, RESP in pipelines of 16, by client (less is better)", "µs"),
    Plot("latency.svg", "latency", ("p50", "p90", "p99 of tenths", "p99"),
         "Latency at half of nginx's peak rate, constant rate (less is better)", "µs", is_log=True),
)


def draw(run, folder):
    """Those whose figures are there; gives their files and titles."""
    drawn = []
    for plot in PLOTS:
        series = run.found["series"].get(plot.series)
        if series is None:
            continue
        done = subprocess.run([tools.find("gnuplot"), "-"], input=plot.script(series, folder), text=True,
                              capture_output=True, check=False)
        if done.returncode != 0 or "error" in done.stderr.lower():
            raise tools.ToolError(f"gnuplot could not draw {plot.file}: {done.stderr.strip()}")
        drawn.append((plot.file, plot.title))
    return drawn
