"""The production side: pictures are taken from an inbox, decided on, moved into class folders, and nothing is ever lost.

``disk`` says what is asked of a disk, and ``files`` alone touches one; ``journal`` and ``segments`` alone open SQLite, and
``verdicts`` the database of what people said.
Decisions come through a small protocol (``decider``), so nothing here knows a net.
"""
