"""What a model and its training look like: tables, graphs, curves."""

from kerasette.plotting.curves import plot_history
from kerasette.plotting.dot import model_to_dot
from kerasette.plotting.notebook import model_html
from kerasette.plotting.pictures import Picture, plot_model
from kerasette.plotting.table import summary

__all__ = ["Picture", "model_html", "model_to_dot", "plot_history", "plot_model", "summary"]
