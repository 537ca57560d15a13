"""One HTML page about a subset, which loads nothing from anywhere."""

from evenly.reporting.page.build import Report, check_result, make_report, report
from evenly.reporting.page.packages import check_packages, has_packages

__all__ = ["Report", "check_packages", "check_result", "has_packages", "make_report", "report"]
