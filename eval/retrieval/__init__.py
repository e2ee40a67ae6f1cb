"""Closed-set retrieval: is the right face found among thousands?"""
