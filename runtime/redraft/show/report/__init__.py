"""The report of a run: one HTML file that needs nothing else."""

from redraft.show.report.data import ReportData, RuleView
from redraft.show.report.render import render

__all__ = ["ReportData", "RuleView", "render"]
