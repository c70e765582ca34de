"""Training of Reg2RG models. Nothing in the inference path imports this package.

In the order data flows:

    config, number_types, legacy_config       the YAML configuration: its fields, their numbers, former option names
    datasets, radgenome, reviewed, samples    phantoms, a folder of CTs and reports, or signed reports as cases
    processes                                 the processes that train one model together
    case_order, case_cache                    the order of cases, and prepared cases on disk
    shards, shard_writing                     prepared cases in tar files
    tokenizers, initialization                the model that training starts from
    patches, collation, losses                patches around findings, packed texts, and what is minimized
    feature_cache                             what frozen vision shows, and the features from it, on disk
    module, trainer                           what one stage trains, and its loop on the Hugging Face Trainer
    calibration, head_calibration             what is fitted after training, and around a head stage
    plot, model_card                          the loss curves and the card of the result
    run                                       a complete, resumable training run, from configuration to model folder
"""
