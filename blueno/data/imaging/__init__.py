"""Medical volumes: NIfTI, DICOM and DICOM series as they lie in a file, read without trusting any of it.

Called by blueno/data/decode.py (the door for whole samples) and blueno/dataserver (single planes). Every reader looks
at a header first and says where the pixels lie, how many there are and what they mean (stack.py:Stack); memory is
taken for pixels only after that. docs/format.md says what arrays and metadata come out, docs/adr/0018 why.
"""
