"""A package by name, so that a library that brings a folder of the same name does not take its place."""
