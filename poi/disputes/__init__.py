"""Disputes over a run: two parties that committed to different traces, and a referee that cannot be fooled.

``record`` says what a game is, ``moves`` what a party may say, ``outcomes`` how it ends and who is paid;
``game`` is the referee, a pure function from game, move and time to the next game; ``player`` is an honest
party.
"""
