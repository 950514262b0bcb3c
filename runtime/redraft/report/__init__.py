"""The report of a run: one HTML file that needs nothing else."""

from redraft.report.data import ReportData, RuleView
from redraft.report.render import render

__all__ = ["ReportData", "RuleView", "render"]
